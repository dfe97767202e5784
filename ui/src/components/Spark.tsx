/** A line the size of a word. */
import styles from './Spark.module.css'

/** More points than this cannot be told apart at this size. */
const pointsMax = 120

export function Spark({ values, color = 'var(--accent)', width = 96, height = 22, label }: { values: number[]; color?: string; width?: number; height?: number; label?: string }) {
  const finite = values.filter((value) => Number.isFinite(value) && Math.abs(value) < 1e300)
  if (finite.length < 2) return <svg className={styles.spark} width={width} height={height} aria-hidden />
  const every = Math.max(1, Math.ceil(finite.length / pointsMax))
  const shown = finite.filter((_, index) => index % every === 0 || index === finite.length - 1)
  const low = Math.min(...shown)
  const high = Math.max(...shown)
  const point = (value: number, index: number): [number, number] => [1 + (index / (shown.length - 1)) * (width - 6), high === low ? height / 2 : 2 + (1 - (value - low) / (high - low)) * (height - 4)]
  const path = shown.map((value, index) => point(value, index).map((it) => it.toFixed(1)).join(',')).join(' ')
  const [endX, endY] = point(shown.at(-1) ?? 0, shown.length - 1)
  return (
    <svg className={styles.spark} width={width} height={height} role={label ? 'img' : undefined} aria-label={label} aria-hidden={label ? undefined : true}>
      <polyline points={path} stroke={color} />
      <circle cx={endX} cy={endY} r={1.8} fill={color} />
    </svg>
  )
}
