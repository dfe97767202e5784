/** A column per run, a line per difference; metrics carry their distance to the baseline. */
import { Link } from '@tanstack/react-router'
import { Flag, X } from 'lucide-react'
import { Fragment } from 'react'
import { nameOf } from '../../api/runs'
import type { Run } from '../../api/types'
import { IconButton } from '../../components/Button'
import { Dot } from '../../components/Chip'
import { State } from '../../components/Status'
import { Age } from '../../components/Time'
import { colorAt } from '../../lib/color'
import { columnFormat, count, formatDelta, formatDuration, shortId } from '../../lib/format'
import styles from './Compare.module.css'
import { compareRows, type CompareRow } from './rows'

type Props = { runs: Run[]; baseId: string; all: boolean; onBase: (id: string) => void; onRemove: (id: string) => void }

export function CompareTable({ runs, baseId, all, onBase, onRemove }: Props) {
  const { rows, hidden } = compareRows(runs, all)
  const base = Math.max(0, runs.findIndex((run) => run.info.run_id === baseId))
  return (
    <div className={styles.frame}>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col" className={styles.corner}>
              {!all && hidden > 0 && <span className="faint">{count(hidden, 'line')} the same in all</span>}
            </th>
            {runs.map((run, index) => (
              <th key={run.info.run_id} scope="col" data-base={index === base || undefined}>
                <span className={styles.head}>
                  <Dot color={colorAt(index)} />
                  <Link to="/runs/$id" params={{ id: run.info.run_id }} className="truncate" title={nameOf(run)}>
                    {nameOf(run)}
                  </Link>
                  {index === base ? (
                    <span className={styles.base}>baseline</span>
                  ) : (
                    <span className={styles.tools}>
                      <IconButton label={`Make ${nameOf(run)} the baseline`} title="Make it the baseline" icon={<Flag />} onClick={() => onBase(run.info.run_id)} />
                      {runs.length > 2 && <IconButton label={`Take ${nameOf(run)} out`} title="Take it out" icon={<X />} onClick={() => onRemove(run.info.run_id)} />}
                    </span>
                  )}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {(['Metrics', 'Parameters', 'Run'] as const).map((group) => {
            const members = rows.filter((row) => row.group === group)
            if (members.length === 0) return null
            return (
              <Fragment key={group}>
                <tr className={styles.group}>
                  <th scope="rowgroup" colSpan={runs.length + 1}>
                    {group}
                  </th>
                </tr>
                {members.map((row) => (
                  <Line key={row.key} row={row} base={base} />
                ))}
              </Fragment>
            )
          })}
          {rows.length === 0 && (
            <tr>
              <td colSpan={runs.length + 1} className="muted">
                These runs do not differ in any parameter, metric or attribute.
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  )
}

function Line({ row, base }: { row: CompareRow; base: number }) {
  const format = row.numeric ? columnFormat(row.values.map((value) => (typeof value === 'number' ? value : undefined))) : String
  const baseline = row.values[base]
  return (
    <tr>
      <th scope="row" title={row.key}>
        {row.key}
      </th>
      {row.values.map((value, index) => (
        <td key={index} data-base={index === base || undefined} data-same={(index !== base && Object.is(value, baseline)) || undefined} className={row.numeric ? 'num' : undefined}>
          {value === undefined ? <span className="faint">–</span> : <Value row={row} value={value} format={format} />}
          {row.numeric && index !== base && typeof value === 'number' && typeof baseline === 'number' && <Delta value={value} baseline={baseline} />}
        </td>
      ))}
    </tr>
  )
}

function Value({ row, value, format }: { row: CompareRow; value: string | number; format: (value: number) => string }) {
  if (row.group === 'Metrics') return <span title={String(value)}>{format(Number(value))}</span>
  if (row.key === 'status' && row.group === 'Run') return <State value={String(value)} />
  if (row.key === 'started' && row.group === 'Run') return <Age time={Number(value)} suffix />
  if (row.key === 'duration' && row.group === 'Run') return <span className="num">{formatDuration(Number(value))}</span>
  if (row.key === 'commit' && row.group === 'Run') return <span className="num">{shortId(String(value))}</span>
  return (
    <span className={`num ${styles.text}`} title={String(value)}>
      {value}
    </span>
  )
}

/** Absolute and relative distance. Whether up is good is not known, so the colour stays neutral. */
function Delta({ value, baseline }: { value: number; baseline: number }) {
  const delta = value - baseline
  if (!Number.isFinite(delta) || delta === 0) return <span className={styles.delta}>{delta === 0 ? '±0' : ''}</span>
  const percent = baseline === 0 ? undefined : (delta / Math.abs(baseline)) * 100
  return (
    <span className={styles.delta} title={`${formatDelta(delta)} against the baseline`}>
      {delta > 0 ? '▲' : '▼'} {percent === undefined || Math.abs(percent) >= 1000 ? formatDelta(delta) : `${Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0)} %`}
    </span>
  )
}
