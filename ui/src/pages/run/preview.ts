/** Tables read from files: CSV, and the `split` JSON that evaluations write. */
import { parseJson } from '../../api/client'

export type Cell = string | number | boolean | null | object
export type Table = { columns: string[]; rows: Cell[][] }

/** `{"columns": […], "data": [[…]]}` as pandas writes it with `orient="split"`; anything else is no table. */
export function parseSplit(text: string): Table | undefined {
  let value: unknown
  try {
    value = parseJson(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('columns' in value) || !('data' in value)) return undefined
  const { columns, data } = value as { columns: unknown; data: unknown }
  if (!Array.isArray(columns) || !Array.isArray(data) || !data.every(Array.isArray)) return undefined
  return { columns: columns.map(String), rows: data as Cell[][] }
}

export function tableFromCsv(rows: string[][]): Table {
  const [columns = [], ...body] = rows
  return { columns, rows: body }
}

export const isNumeric = (cell: Cell | undefined): boolean => typeof cell === 'number' || (typeof cell === 'string' && cell.trim() !== '' && Number.isFinite(Number(cell)))

/** What a cell says in one line. */
export function cellText(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return ''
  return typeof cell === 'object' ? JSON.stringify(cell) : String(cell)
}
