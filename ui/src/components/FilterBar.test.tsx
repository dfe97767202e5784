import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import { FilterBar } from './FilterBar'

const vocabulary = { metrics: ['val/acc'], params: new Map([['optimizer', ['adam']]]), tags: [] }

function setup(props: Partial<Parameters<typeof FilterBar>[0]> = {}) {
  const onApply = vi.fn()
  render(<FilterBar value="" onApply={onApply} vocabulary={vocabulary} placeholder="filter" {...props} />)
  return { onApply, input: screen.getByRole<HTMLInputElement>('combobox', { name: 'Filter' }) }
}

test('enter applies what was typed', async () => {
  const { onApply, input } = setup()
  await userEvent.type(input, 'metrics.x > 1{Enter}')
  expect(onApply).toHaveBeenCalledWith('metrics.x > 1')
})

test('arrow and enter take a suggestion instead of applying', async () => {
  const { onApply, input } = setup()
  await userEvent.type(input, 'val{ArrowDown}{Enter}')
  expect(input.value).toBe('metrics."val/acc" ')
  expect(onApply).not.toHaveBeenCalled()
})

test('clearing applies the empty filter', async () => {
  const { onApply } = setup({ value: 'metrics.x > 1' })
  await userEvent.click(screen.getByRole('button', { name: 'Clear the filter' }))
  expect(onApply).toHaveBeenCalledWith('')
})

test("the server's complaint is tied to the input", () => {
  const { input } = setup({ value: 'x', error: 'Invalid clause(s) in filter string: x' })
  expect(input.getAttribute('aria-invalid')).toBe('true')
  expect(document.getElementById(input.getAttribute('aria-describedby') ?? '')?.textContent).toBe('Invalid clause(s) in filter string: x')
})
