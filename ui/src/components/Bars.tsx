/** Horizontal bars: one value per run, where there is no line to draw. */
import { formatNumber } from '../lib/format'
import styles from './Bars.module.css'

export type Bar = { id: string; label: string; color: string; value: number }

export function Bars({ bars, label }: { bars: Bar[]; label: string }) {
  const finite = bars.map((bar) => bar.value).filter((value) => Number.isFinite(value) && Math.abs(value) < 1e300)
  const low = Math.min(0, ...finite)
  const high = Math.max(0, ...finite)
  const span = high - low || 1
  return (
    <div className={styles.bars} role="list" aria-label={label}>
      {bars.map((bar) => {
        const value = Number.isFinite(bar.value) ? Math.max(low, Math.min(high, bar.value)) : 0
        return (
          <div key={bar.id} role="listitem" className={styles.row} title={`${bar.label}: ${bar.value}`}>
            <span className={`truncate ${styles.label}`}>{bar.label}</span>
            <span className={styles.track}>
              <i style={{ left: `${((Math.min(0, value) - low) / span) * 100}%`, width: `${(Math.abs(value) / span) * 100}%`, background: bar.color }} />
            </span>
            <span className={styles.value}>{formatNumber(bar.value)}</span>
          </div>
        )
      })}
    </div>
  )
}
