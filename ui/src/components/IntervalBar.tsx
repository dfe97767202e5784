/** A value with its confidence interval on a scale that its neighbours share. */
import styles from './IntervalBar.module.css'

type Props = { value: number; low?: number; high?: number; scale: [number, number]; color: string; label: string; zero?: boolean }

export function IntervalBar({ value, low, high, scale: [from, to], color, label, zero = false }: Props) {
  const place = (it: number) => `${to === from ? 50 : Math.max(0, Math.min(100, ((it - from) / (to - from)) * 100))}%`
  return (
    <span className={styles.track} role="img" aria-label={label}>
      {zero && <i className={styles.zero} style={{ left: place(0) }} />}
      {low !== undefined && high !== undefined && <i className={styles.range} style={{ left: place(low), width: `calc(${place(high)} - ${place(low)})`, background: color }} />}
      <i className={styles.point} style={{ left: place(value), background: color }} />
    </span>
  )
}

/** The scale that holds all values and intervals of a line, with a little room. */
export function sharedScale(values: (number | undefined)[]): [number, number] {
  const finite = values.filter((value): value is number => value !== undefined && Number.isFinite(value))
  if (finite.length === 0) return [0, 1]
  const low = Math.min(...finite)
  const high = Math.max(...finite)
  const room = (high - low || Math.abs(high) || 1) * 0.08
  return [low - room, high + room]
}
