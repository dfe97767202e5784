/** From metric histories to the lines of a chart. */
import type { Point } from '../api/metrics'
import type { Series, XKind } from '../components/LineChart'

/** Exponential moving average with its early bias removed; gaps stay gaps. */
export function smooth(values: (number | null)[], weight: number): (number | null)[] {
  let average = 0
  let seen = 0
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return value
    average = average * weight + (1 - weight) * value
    seen += 1
    return average / (1 - weight ** seen)
  })
}

/** The horizontal place of each point: its step, its time, or the time since the run's first point (both in seconds). */
function place(points: Point[], kind: XKind): number[] {
  const start = points.reduce((first, point) => Math.min(first, point.timestamp), Infinity)
  if (kind === 'step') return points.map((point) => point.step)
  return points.map((point) => (kind === 'time' ? point.timestamp : point.timestamp - start) / 1000)
}

export type Line = { id: string; label: string; color: string; points: Point[] }

export function toSeries(lines: Line[], kind: XKind, weight: number): Series[] {
  return lines
    .filter((line) => line.points.length > 0)
    .map((line) => {
      const points = kind === 'step' ? line.points : line.points.toSorted((a, b) => a.timestamp - b.timestamp)
      const raw = points.map((point) => point.value)
      const smoothed = weight > 0 && points.length > 2
      const { x, columns } = unique(place(points, kind), smoothed ? [smooth(raw, weight), raw] : [raw])
      return { id: line.id, label: line.label, color: line.color, x, y: columns[0] ?? [], faint: columns[1] }
    })
}

/** A step that was logged twice keeps its last value: a chart needs rising x. */
function unique(x: number[], columns: (number | null)[][]): { x: number[]; columns: (number | null)[][] } {
  const keep = x.map((_, index) => index).filter((index) => x[index + 1] !== x[index])
  if (keep.length === x.length) return { x, columns }
  return { x: keep.map((index) => x[index] ?? 0), columns: columns.map((column) => keep.map((index) => column[index] ?? null)) }
}

/** A prefix with fewer metrics than this is no group: a heading over one chart only takes room. */
const groupFrom = 3

/** `train/loss` belongs to `train`; names without a slash share the unnamed group. */
export const prefixOf = (key: string): string => (key.includes('/') ? key.slice(0, key.indexOf('/')) : '')

/** Keys in groups by prefix: the unnamed group first, machine metrics last. Small groups join the unnamed one. */
export function groupByPrefix(keys: string[]): { prefix: string; keys: string[] }[] {
  const sizes = new Map<string, number>()
  for (const key of keys) sizes.set(prefixOf(key), (sizes.get(prefixOf(key)) ?? 0) + 1)
  const groups = new Map<string, string[]>()
  for (const key of keys.toSorted((a, b) => rank(prefixOf(a)) - rank(prefixOf(b)) || a.localeCompare(b))) {
    const prefix = (sizes.get(prefixOf(key)) ?? 0) < groupFrom ? '' : prefixOf(key)
    groups.set(prefix, [...(groups.get(prefix) ?? []), key])
  }
  return [...groups].map(([prefix, members]) => ({ prefix, keys: members })).toSorted((a, b) => rank(a.prefix) - rank(b.prefix) || a.prefix.localeCompare(b.prefix))
}

const rank = (prefix: string) => (prefix === '' ? 0 : prefix === 'system' ? 2 : 1)
