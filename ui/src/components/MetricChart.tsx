/** One metric of several runs: asks for its history once it is on screen, then draws lines or, for single values, bars. */
import { useQuery } from '@tanstack/react-query'
import { Maximize2, Minimize2 } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { messageOf } from '../api/client'
import { historiesQuery } from '../api/metrics'
import { toSeries } from '../lib/series'
import { Bars } from './Bars'
import { IconButton } from './Button'
import { LineChart, type XKind } from './LineChart'
import styles from './MetricChart.module.css'

export type ChartRun = { id: string; name: string; color: string; live: boolean }
export type ChartView = { x: XKind; smooth: number; log: boolean }

type Props = { metric: string; name: string; runs: ChartRun[]; view: ChartView; syncKey: string; height?: number }

export function MetricChart({ metric, name, runs, view, syncKey, height = 164 }: Props) {
  const card = useRef<HTMLElement>(null)
  const seen = useSeen(card)
  const [wide, setWide] = useState(false)
  const ids = useMemo(() => runs.map((run) => run.id), [runs])
  const { data, error, isPending } = useQuery({ ...historiesQuery(ids, metric, runs.some((run) => run.live)), enabled: seen && ids.length > 0 })
  const lines = useMemo(() => runs.map((run) => ({ id: run.id, label: run.name, color: run.color, points: data?.get(run.id) ?? [] })).filter((line) => line.points.length > 0), [runs, data])
  const series = useMemo(() => toSeries(lines, view.x, view.smooth), [lines, view.x, view.smooth])
  const single = lines.length > 0 && lines.every((line) => line.points.length === 1)
  const tall = wide ? Math.round(height * 1.9) : height
  return (
    <section ref={card} className={styles.card} data-wide={wide || undefined} aria-label={metric}>
      <div className={styles.head}>
        <span className="truncate" title={metric}>
          {name}
        </span>
        <span className={styles.aside}>{lines.length > 1 ? `${lines.length} runs` : ''}</span>
        <IconButton className={styles.expand} label={wide ? 'Smaller' : 'Larger'} icon={wide ? <Minimize2 /> : <Maximize2 />} onClick={() => setWide(!wide)} />
      </div>
      {error ? (
        <p role="alert" className={styles.note} style={{ height: tall }}>
          {messageOf(error)}
        </p>
      ) : single ? (
        <div className={styles.single}>
          <Bars label={metric} bars={lines.map((line) => ({ id: line.id, label: line.label, color: line.color, value: line.points[0]?.value ?? 0 }))} />
        </div>
      ) : series.length > 0 ? (
        <LineChart label={`${metric} by ${view.x}`} series={series} xKind={view.x} log={view.log} height={tall} syncKey={`${syncKey}-${view.x}`} />
      ) : (
        <p className={styles.note} style={{ height: tall }}>
          {isPending ? '' : 'No points yet'}
        </p>
      )}
    </section>
  )
}

/** True once the element has come near the screen. */
function useSeen(element: React.RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(typeof IntersectionObserver === 'undefined')
  useEffect(() => {
    if (seen || !element.current) return
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), { rootMargin: '200px' })
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [seen, element])
  return seen
}
