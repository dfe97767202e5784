/** The columns of the runs table: what a run is called, what tells it apart, how it went. */
import { Link } from '@tanstack/react-router'
import { ChevronDown, ChevronRight } from 'lucide-react'
import { durationOf, metricsOf, nameOf, paramsOf, tagsOf } from '../../api/runs'
import { Dot } from '../../components/Chip'
import type { Column } from '../../components/DataTable'
import { State } from '../../components/Status'
import { Age } from '../../components/Time'
import { fieldName } from '../../lib/filter'
import { columnFormat, formatDuration } from '../../lib/format'
import { formatInterval, intervalOf, type Interval } from '../../lib/interval'
import { keyId, type Key } from '../../lib/vary'
import styles from './RunsView.module.css'
import type { RunRow } from './tree'

/** About the width of one mono character at 12 px. */
const charPx = 7.3
const clamp = (low: number, value: number, high: number) => Math.max(low, Math.min(high, value))
const isNumber = (text: string) => text.trim() !== '' && Number.isFinite(Number(text))

type Options = { rows: RunRow[]; keys: Key[]; colors: Map<string, string>; nested: boolean; folded: ReadonlySet<string>; onFold: (id: string) => void }

export function runColumns({ rows, keys, colors, nested, folded, onFold }: Options): Column<RunRow>[] {
  const hasTree = nested && rows.some((row) => row.depth > 0 || row.children > 0)
  const name: Column<RunRow> = {
    id: 'name',
    title: 'Run',
    width: hasTree ? 220 : 200,
    sortKey: 'attributes.run_name',
    cell: ({ run, depth, children }) => {
      const id = run.info.run_id
      return (
        <span className={styles.run} style={{ paddingLeft: depth * 16 }}>
          {hasTree && (
            <button type="button" tabIndex={-1} className={styles.fold} style={{ visibility: children ? 'visible' : 'hidden' }} aria-label={folded.has(id) ? 'Show the runs below' : 'Hide the runs below'} onClick={() => onFold(id)}>
              {folded.has(id) ? <ChevronRight /> : <ChevronDown />}
            </button>
          )}
          <Dot color={colors.get(id) ?? 'var(--line-strong)'} />
          <Link to="/runs/$id" params={{ id }} tabIndex={-1} className="truncate" title={nameOf(run)}>
            {nameOf(run)}
          </Link>
          {folded.has(id) && <span className="faint num">+{children}</span>}
        </span>
      )
    },
  }
  const status: Column<RunRow> = { id: 'status', title: 'Status', width: 92, sortKey: 'attributes.status', cell: ({ run }) => <State value={run.info.status} /> }
  const started: Column<RunRow> = { id: 'started', title: 'Started', width: 76, sortKey: 'attributes.start_time', cell: ({ run }) => <Age time={run.info.start_time} /> }
  const duration: Column<RunRow> = { id: 'duration', title: 'Duration', width: 88, numeric: true, cell: ({ run }) => formatDuration(durationOf(run)) }
  return [name, status, ...keys.map((key) => keyColumn(key, rows)), started, duration]
}

function keyColumn(key: Key, rows: RunRow[]): Column<RunRow> {
  const common = { id: keyId(key), title: <KeyTitle name={key.key} />, hint: keyId(key), sortKey: fieldName(key.kind, key.key) }
  if (key.kind === 'metrics') {
    const format = columnFormat(rows.map(({ run }) => metricsOf(run).get(key.key)))
    const widest = Math.max(...rows.slice(0, 200).map(({ run }) => format(metricsOf(run).get(key.key)).length), 0)
    return {
      ...common,
      width: clamp(72, Math.max(widest * charPx, key.key.length * 6.4) + 30, 170),
      numeric: true,
      cell: ({ run }) => {
        const value = metricsOf(run).get(key.key)
        return value === undefined ? <span className="faint">–</span> : <span title={withInterval(value, intervalOf(metricsOf(run), key.key))}>{format(value)}</span>
      },
    }
  }
  const read = key.kind === 'params' ? paramsOf : tagsOf
  const values = rows.slice(0, 200).map(({ run }) => read(run).get(key.key))
  const numeric = values.every((value) => value === undefined || isNumber(value))
  const widest = Math.max(...values.map((value) => value?.length ?? 0), 0)
  return {
    ...common,
    width: clamp(64, Math.max(widest * charPx, key.key.length * 6.4) + 30, 190),
    numeric,
    cell: ({ run }) => {
      const value = read(run).get(key.key)
      return value === undefined ? (
        <span className="faint">–</span>
      ) : (
        <span className="truncate" title={value}>
          {value}
        </span>
      )
    },
  }
}

const withInterval = (value: number, interval: Interval | undefined) => (interval ? `${value} ${formatInterval(interval)}` : String(value))

/** `val/` pale, `acc` in full: the group matters less than the name. */
function KeyTitle({ name }: { name: string }) {
  const slash = name.lastIndexOf('/')
  if (slash < 0) return name
  return (
    <>
      <span className="faint">{name.slice(0, slash + 1)}</span>
      {name.slice(slash + 1)}
    </>
  )
}
