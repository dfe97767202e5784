/** Which metrics and parameters tell runs apart. */
import { metricsOf, paramsOf } from '../api/runs'
import type { Run } from '../api/types'

export type Kind = 'metrics' | 'params' | 'tags'
export type Key = { kind: Kind; key: string }
export type Keys = { varying: Key[]; constant: (Key & { value: string })[] }

/** `metrics.val/acc`: how a column is written in the address. */
export const keyId = ({ kind, key }: Key): string => `${kind}.${key}`

export function parseKeyId(id: string): Key | undefined {
  const dot = id.indexOf('.')
  const kind = id.slice(0, dot)
  return dot > 0 && (kind === 'metrics' || kind === 'params' || kind === 'tags') ? { kind, key: id.slice(dot + 1) } : undefined
}

function collect(kind: Kind, maps: Map<string, string | number>[]): Keys {
  const varying: Key[] = []
  const constant: (Key & { value: string })[] = []
  const names = new Set(maps.flatMap((map) => [...map.keys()]))
  for (const key of [...names].toSorted()) {
    // Runs that lack a key say nothing about it: a parent without its children's parameters makes none of them vary.
    const values = maps.filter((map) => map.has(key)).map((map) => map.get(key))
    if (values.every((value) => Object.is(value, values[0]))) constant.push({ kind, key, value: String(values[0]) })
    else varying.push({ kind, key })
  }
  return { varying, constant }
}

const isSystem = (key: Key) => key.key.startsWith('system/')

/** Metrics before parameters, the machine's own metrics last. With one run nothing varies, so everything counts. */
export function keysOf(runs: Run[]): Keys {
  const metrics = collect('metrics', runs.map(metricsOf))
  const params = collect('params', runs.map(paramsOf))
  if (runs.length < 2) return { varying: [...metrics.constant, ...params.constant].map(({ kind, key }) => ({ kind, key })), constant: [] }
  const named = metrics.varying.filter((key) => !isSystem(key))
  return { varying: [...named, ...params.varying, ...metrics.varying.filter(isSystem)], constant: [...params.constant, ...metrics.constant] }
}
