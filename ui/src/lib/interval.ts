/** Confidence intervals are logged as `accuracy.ci.low` and `accuracy.ci.high` beside `accuracy`; here they are one thing again. */
import { formatNumber } from './format'

export type Interval = { low: number; high: number }

const end = /^(.+)\.ci\.(?:low|high)$/

/** Whether the key is one end of the interval of another key in the set. */
export function isIntervalEnd(key: string, keys: ReadonlySet<string>): boolean {
  const base = end.exec(key)?.[1]
  return base !== undefined && keys.has(base)
}

/** The keys without the ends of intervals. */
export function withoutIntervalEnds(keys: string[]): string[] {
  const all = new Set(keys)
  return keys.filter((key) => !isIntervalEnd(key, all))
}

export function intervalOf(metrics: ReadonlyMap<string, number>, key: string): Interval | undefined {
  const low = metrics.get(`${key}.ci.low`)
  const high = metrics.get(`${key}.ci.high`)
  return low === undefined || high === undefined ? undefined : { low, high }
}

export const formatInterval = ({ low, high }: Interval, format: (value: number) => string = formatNumber): string => `[${format(low)}, ${format(high)}]`
