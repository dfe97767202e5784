/** A table from a file: virtual rows, numbers to the right, verdicts as words; a row opens below in full. */
import { Check, X } from 'lucide-react'
import { useMemo, useState } from 'react'
import { DataTable, type Column } from '../../components/DataTable'
import { Status } from '../../components/Status'
import { columnFormat, count, formatNumber } from '../../lib/format'
import { cellText, isNumeric, type Cell, type Table } from './preview'
import styles from './Artifacts.module.css'

type Row = { index: number; cells: Cell[] }

/** Rows looked at to choose widths and alignment. */
const sampled = 100

export function PreviewTable({ table, label }: { table: Table; label: string }) {
  const rows = useMemo(() => table.rows.map((cells, index) => ({ index, cells })), [table])
  const [open, setOpen] = useState<number>()
  const columns = useMemo(() => table.columns.map((name, at) => column(name, at, rows)), [table, rows])
  const shown = open === undefined ? undefined : rows[open]
  return (
    <div className={styles.tableFrame}>
      <DataTable label={label} rows={rows} columns={columns} rowKey={(row) => String(row.index)} current={open === undefined ? undefined : String(open)} onOpen={(row) => setOpen(row.index === open ? undefined : row.index)} empty={<p className={styles.hint}>The table has no rows.</p>} />
      {shown && (
        <dl className={styles.record} aria-label={`Row ${shown.index + 1}`}>
          {table.columns.map((name, at) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{cellText(shown.cells[at]) || <span className="faint">empty</span>}</dd>
            </div>
          ))}
        </dl>
      )}
      <div className={styles.rowCount}>
        {count(rows.length, 'row')} · {count(table.columns.length, 'column')}
        {open === undefined && rows.length > 0 && <span className="faint"> · click a row to read it in full</span>}
      </div>
    </div>
  )
}

function column(name: string, at: number, rows: Row[]): Column<Row> {
  const sample = rows.slice(0, sampled).map((row) => row.cells[at])
  const filled = sample.filter((cell) => cell !== null && cell !== undefined && cell !== '')
  const numeric = filled.length > 0 && filled.every(isNumeric)
  const format = numeric ? columnFormat(filled.map(Number)) : formatNumber
  const widest = Math.max(name.length * 6.6, ...filled.map((cell) => (numeric ? format(Number(cell)) : cellText(cell)).length * (numeric ? 7.4 : 6.2)))
  return {
    id: `${at}-${name}`,
    title: name,
    width: Math.round(Math.max(56, Math.min(numeric ? 130 : 320, widest + 22))),
    numeric,
    cell: (row) => {
      const cell = row.cells[at]
      if (cell === true || cell === 'true' || cell === 'True') return <Status tone="quiet" icon={<Check />}>true</Status>
      if (cell === false || cell === 'false' || cell === 'False') return <Status tone="bad" icon={<X />}>false</Status>
      if (cell === null || cell === undefined || cell === '') return <span className="faint">–</span>
      return (
        <span className="truncate" title={cellText(cell)}>
          {numeric ? format(Number(cell)) : cellText(cell)}
        </span>
      )
    },
  }
}
