/** The latest latencies as bars, scaled to the slowest. */
import { formatDuration } from '../../lib/format'

/** Bars that fit into a table cell. */
const barsMax = 28
const height = 18

export function Latencies({ ms }: { ms: number[] }) {
  const shown = ms.slice(-barsMax)
  const slowest = Math.max(...shown)
  if (shown.length === 0) return <span className="faint">–</span>
  return (
    <svg width={barsMax * 3} height={height} role="img" aria-label={`${shown.length} calls, the slowest ${formatDuration(slowest)}`}>
      {shown.map((value, index) => {
        const size = Math.max(1.5, (value / slowest) * height)
        return <rect key={index} x={(barsMax - shown.length + index) * 3} y={height - size} width={2} height={size} rx={0.5} fill="var(--c3)" opacity={0.85} />
      })}
    </svg>
  )
}
