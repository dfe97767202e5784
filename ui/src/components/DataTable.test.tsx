import { fireEvent, render, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import { DataTable, type Sort } from './DataTable'

const rows = Array.from({ length: 1000 }, (_, index) => ({ id: `r${index}`, name: `run ${index}` }))
type Row = (typeof rows)[number]
const columns = [{ id: 'name', title: 'Run', width: 100, sortKey: 'attributes.run_name', cell: (row: Row) => row.name }]

function setup(props: Partial<Parameters<typeof DataTable<Row>>[0]> = {}) {
  render(<DataTable label="Runs" rows={rows} columns={columns} rowKey={(row) => row.id} {...props} />)
  return screen.getByRole('grid', { name: 'Runs' })
}

test('tells assistive technology how many rows there are, the header included', () => expect(setup().getAttribute('aria-rowcount')).toBe('1001'))

test('renders only the rows in view', () => {
  setup()
  expect(screen.getAllByRole('row').length).toBeLessThan(60)
  expect(screen.queryByText('run 900')).toBeNull()
})

test('a click opens the row', async () => {
  const onOpen = vi.fn()
  setup({ onOpen })
  await userEvent.click(screen.getByText('run 3'))
  expect(onOpen).toHaveBeenCalledWith(rows[3])
})

test('a checkbox selects without opening, shift selects the range', async () => {
  const onOpen = vi.fn()
  const onSelect = vi.fn()
  setup({ onOpen, onSelect, selected: new Set(['r1']) })
  await userEvent.click(screen.getByRole('checkbox', { name: 'Select row 3' }))
  expect(onSelect).toHaveBeenLastCalledWith(['r2'], true)
  fireEvent.click(screen.getByRole('checkbox', { name: 'Select row 6' }), { shiftKey: true })
  expect(onSelect).toHaveBeenLastCalledWith(['r2', 'r3', 'r4', 'r5'], true)
  await userEvent.click(screen.getByRole('checkbox', { name: 'Select row 2' }))
  expect(onSelect).toHaveBeenLastCalledWith(['r1'], false)
  expect(onOpen).not.toHaveBeenCalled()
})

test('the keyboard walks, selects and opens', async () => {
  const onOpen = vi.fn()
  const onSelect = vi.fn()
  const grid = setup({ onOpen, onSelect, selected: new Set() })
  grid.focus()
  await userEvent.keyboard('jjj')
  expect(grid.getAttribute('aria-activedescendant')).toBe('row-r2')
  await userEvent.keyboard('kx{Enter}')
  expect(onSelect).toHaveBeenCalledWith(['r1'], true)
  expect(onOpen).toHaveBeenCalledWith(rows[1])
})

test('a header sorts, and a second time the other way', async () => {
  const onSort = vi.fn<(sort: Sort) => void>()
  setup({ onSort, sort: { key: 'attributes.run_name', descending: false } })
  const header = screen.getByRole('columnheader', { name: /Run/ })
  expect(header.getAttribute('aria-sort')).toBe('ascending')
  await userEvent.click(within(header).getByRole('button'))
  expect(onSort).toHaveBeenCalledWith({ key: 'attributes.run_name', descending: true })
})

test('the end of the rows asks for more', () => {
  const onEnd = vi.fn()
  setup({ rows: rows.slice(0, 10), onEnd })
  expect(onEnd).toHaveBeenCalled()
})

test('rows far from the end do not', () => {
  const onEnd = vi.fn()
  setup({ onEnd })
  expect(onEnd).not.toHaveBeenCalled()
})

test('nothing to show says so', () => {
  setup({ rows: [], empty: <p>No run matches.</p> })
  expect(screen.getByText('No run matches.')).toBeTruthy()
})
