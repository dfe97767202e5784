/** All metrics of the chosen runs as cards, grouped by prefix, under one line of controls. */
import { useId, useMemo, useState } from 'react'
import { withoutIntervalEnds } from '../lib/interval'
import { groupByPrefix } from '../lib/series'
import styles from './ChartGrid.module.css'
import { Checkbox } from './Field'
import type { XKind } from './LineChart'
import { MetricChart, type ChartRun, type ChartView } from './MetricChart'
import { Segmented } from './Segmented'

type Props = { metrics: string[]; runs: ChartRun[]; view: ChartView; onView: (change: Partial<ChartView>) => void; legend?: boolean }

/** With fewer charts than this there is nothing to search. */
const searchFrom = 5

const xOptions: { value: XKind; label: string }[] = [
  { value: 'step', label: 'step' },
  { value: 'time', label: 'time' },
  { value: 'relative', label: 'relative' },
]

export function ChartGrid({ metrics, runs, view, onView, legend = false }: Props) {
  const syncKey = useId()
  const [search, setSearch] = useState('')
  const groups = useMemo(() => groupByPrefix(withoutIntervalEnds(metrics).filter((key) => key.toLowerCase().includes(search.trim().toLowerCase()))), [metrics, search])
  return (
    <div className={styles.charts}>
      <div className={styles.controls}>
        {metrics.length >= searchFrom && <input className={styles.search} type="search" aria-label="Search charts" placeholder="Search charts" value={search} onChange={(event) => setSearch(event.target.value)} />}
        <span className="grow" />
        <label className={styles.smooth}>
          smooth
          <input type="range" min={0} max={0.98} step={0.02} value={view.smooth} aria-valuetext={`${Math.round(view.smooth * 100)} percent`} onChange={(event) => onView({ smooth: Number(event.target.value) })} />
        </label>
        <Checkbox label="log" checked={view.log} onChange={(event) => onView({ log: event.target.checked })} />
        <Segmented label="Horizontal axis" options={xOptions} value={view.x} onChange={(x) => onView({ x })} />
      </div>
      {legend && runs.length > 1 && (
        <div className={styles.legend}>
          {runs.map((run) => (
            <span key={run.id} className="truncate">
              <i style={{ background: run.color }} />
              {run.name}
            </span>
          ))}
        </div>
      )}
      {groups.map((group) => (
        <section key={group.prefix} className={styles.group}>
          {group.prefix && <h2>{group.prefix}</h2>}
          <div className={styles.grid}>
            {group.keys.map((metric) => (
              <MetricChart key={metric} metric={metric} name={group.prefix ? metric.slice(group.prefix.length + 1) : metric} runs={runs} view={view} syncKey={syncKey} />
            ))}
          </div>
        </section>
      ))}
      {groups.length === 0 && <p className={styles.none}>{runs.length === 0 ? 'No runs to draw.' : metrics.length === 0 ? 'These runs have no metrics.' : `No metric is called “${search}”.`}</p>}
    </div>
  )
}
