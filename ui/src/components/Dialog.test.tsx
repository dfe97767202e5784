import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import { FormDialog } from './Dialog'

test('a failed action keeps the dialog open and says why; a good one closes it', async () => {
  const onClose = vi.fn()
  const onSubmit = vi.fn().mockRejectedValueOnce(new Error('the name is taken')).mockResolvedValueOnce({})
  render(
    <FormDialog open onClose={onClose} title="Rename" action="Rename it" onSubmit={onSubmit}>
      <p>body</p>
    </FormDialog>,
  )
  await userEvent.click(screen.getByRole('button', { name: 'Rename it' }))
  expect((await screen.findByRole('alert')).textContent).toBe('the name is taken')
  expect(onClose).not.toHaveBeenCalled()
  await userEvent.click(screen.getByRole('button', { name: 'Rename it' }))
  expect(onClose).toHaveBeenCalledOnce()
})
