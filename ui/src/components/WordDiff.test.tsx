import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { WordDiff } from './WordDiff'

test('marks what was added and what is gone, and keeps the rest', () => {
  const { container } = render(<WordDiff from="The tide rises slowly." to="The tide rises twice a day." />)
  expect(container.textContent).toContain('The tide rises ')
  expect([...container.querySelectorAll('del')].map((it) => it.textContent).join('')).toContain('slowly')
  expect([...container.querySelectorAll('ins')].map((it) => it.textContent).join('')).toContain('twice')
})

test('says when there is no difference', () => {
  render(<WordDiff from="Same." to="Same." />)
  expect(screen.getByText('The same, word for word.')).toBeTruthy()
})
