/** Line charts on a canvas: synced cursor, zoom by dragging, double click to reset. */
import { useEffect, useMemo, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { resolveColor } from '../lib/color'
import { formatDuration, formatNumber, formatTime } from '../lib/format'
import { useTheme } from '../lib/theme'
import styles from './LineChart.module.css'

export type Series = { id: string; label: string; color: string; x: number[]; y: (number | null)[]; faint?: (number | null)[] }
export type XKind = 'step' | 'time' | 'relative'
type Props = { label: string; series: Series[]; xKind?: XKind; log?: boolean; height?: number; syncKey?: string }
type Hover = { left: number; top: number; flip: boolean; x: number; rows: { label: string; color: string; value: number }[] }

/** Lines listed at the cursor; more would hide the chart. */
const hoverRows = 8

const formatX = (kind: XKind, value: number): string => (kind === 'step' ? `step ${formatNumber(value)}` : kind === 'time' ? formatTime(value * 1000) : formatDuration(value * 1000))

export function LineChart({ label, series, xKind = 'step', log = false, height = 180, syncKey }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const theme = useTheme()
  const [hover, setHover] = useState<Hover>()
  const data = useMemo(() => align(series, log), [series, log])
  // The plot is rebuilt when its shape changes; new points alone only replace its data.
  const shape = JSON.stringify([series.map((it) => [it.id, it.color, it.label, Boolean(it.faint)]), xKind, log, height, theme, syncKey])
  const latest = useRef({ data, series })
  latest.current = { data, series }

  useEffect(() => {
    const element = host.current
    if (!element || typeof Path2D === 'undefined') return
    const { series: lines } = latest.current
    const ink = resolveColor('var(--text-3)')
    const grid = resolveColor('var(--line)')
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px 'Inter Variable'" }
    const colors = lines.map((line) => resolveColor(line.color))
    const made = new uPlot(
      {
        width: element.clientWidth,
        height,
        padding: [8, 10, 0, 0],
        legend: { show: false },
        cursor: { sync: syncKey ? { key: syncKey } : undefined, points: { size: 5 }, drag: { x: true, y: false } },
        scales: { x: { time: xKind === 'time' }, y: { distr: log ? 3 : 1, range: log ? undefined : (_, low, high) => padded(low, high) } },
        series: [{}, ...lines.flatMap((line, index) => [...(line.faint ? [{ label: line.label, stroke: `${colors[index]}33`, width: 1, points: { show: false } }] : []), { label: line.label, stroke: colors[index], width: 1.4, spanGaps: true, points: { show: line.x.length === 1, size: 6, fill: colors[index] } }])],
        axes: [
          { ...axis, size: 24, gap: 4, ...(xKind === 'time' ? {} : { values: (_: uPlot, splits: number[]) => splits.map((it) => (xKind === 'relative' ? formatDuration(it * 1000) : formatNumber(it))) }) },
          { ...axis, space: 24, size: (_, labels) => Math.max(28, ...(labels ?? []).map((label) => label.length * 6.6 + 12)), gap: 4, values: (_, splits) => splits.map((it) => (it === null ? '' : formatNumber(it))) },
        ],
        hooks: { setCursor: [(it) => setHover(readHover(it, latest.current.series))] },
      },
      latest.current.data,
      element,
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
    // `shape` stands for everything about the lines except their points.
  }, [shape, xKind, log, height, syncKey])

  useEffect(() => {
    if (plot.current && plot.current.data !== data) plot.current.setData(data)
  }, [data])

  return (
    <div className={styles.chart}>
      <div ref={host} role="img" aria-label={label} style={{ height }} onMouseLeave={() => setHover(undefined)} />
      {hover && (
        <div className={styles.tip} style={{ left: hover.left, top: hover.top, transform: hover.flip ? 'translateX(calc(-100% - 24px))' : undefined }}>
          <div className={styles.tipHead}>{formatX(xKind, hover.x)}</div>
          {hover.rows.map((row, index) => (
            <div key={index} className={styles.tipRow}>
              <i style={{ background: row.color }} />
              <span className="truncate">{row.label}</span>
              <b>{formatNumber(row.value)}</b>
            </div>
          ))}
        </div>
      )}
    </div>
  )
}

/** Headroom above and below; a flat line sits in the middle. */
function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1]
  if (low === high) return [low - (Math.abs(low) * 0.1 || 0.5), high + (Math.abs(high) * 0.1 || 0.5)]
  const room = (high - low) * 0.06
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room]
}

/** One shared x for all lines, as the canvas wants it. */
function align(series: Series[], log: boolean): uPlot.AlignedData {
  const drawable = (value: number | null) => (value !== null && Number.isFinite(value) && Math.abs(value) < 1e300 && (!log || value > 0) ? value : null)
  const tables = series.flatMap((line) => [...(line.faint ? [[line.x, line.faint.map(drawable)]] : []), [line.x, line.y.map(drawable)]]) as uPlot.AlignedData[]
  if (tables.length === 0) return [[]]
  if (tables.length === 1) return tables[0] as uPlot.AlignedData
  return uPlot.join(tables)
}

function readHover(plot: uPlot, series: Series[]): Hover | undefined {
  const { idx, left, top } = plot.cursor
  if (idx === null || idx === undefined || left === undefined || left < 0) return undefined
  // Only the chart under the pointer speaks; synced ones just show the line.
  if (!plot.over.matches(':hover')) return undefined
  const x = plot.data[0][idx]
  if (x === undefined) return undefined
  const rows: Hover['rows'] = []
  let at = 0
  for (const line of series) {
    at += line.faint ? 2 : 1
    const value = nearest(plot.data[at] as (number | null)[] | undefined, idx)
    if (value !== undefined) rows.push({ label: line.label, color: line.color, value })
  }
  const y = plot.posToVal(top ?? 0, 'y')
  rows.sort((a, b) => Math.abs(a.value - y) - Math.abs(b.value - y))
  const shown = rows.slice(0, hoverRows).sort((a, b) => b.value - a.value)
  return { left: left + plot.over.offsetLeft + 12, top: Math.max(0, (top ?? 0) - 20), flip: left > plot.over.clientWidth / 2, x, rows: shown }
}

/** The value at an index, or the closest one where lines have different steps. */
function nearest(values: (number | null)[] | undefined, at: number, reach = 12): number | undefined {
  if (!values) return undefined
  for (let distance = 0; distance <= reach; distance += 1) {
    const value = values[at - distance] ?? values[at + distance]
    if (value !== null && value !== undefined) return value
  }
  return undefined
}
