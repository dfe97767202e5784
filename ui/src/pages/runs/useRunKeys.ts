/** The columns of the moment, all there could be, and the words the filter completes. */
import { useMemo } from 'react'
import { tagsOf } from '../../api/runs'
import type { Run } from '../../api/types'
import type { Vocabulary } from '../../lib/filter'
import { isIntervalEnd } from '../../lib/interval'
import { splitList } from '../../lib/search'
import { keysOf, parseKeyId, type Key, type Keys } from '../../lib/vary'

/** Columns on by default; further ones are in the picker. */
const defaultColumns = 12
/** Values of a parameter offered by completion. */
const valuesMax = 50

export function useRunKeys(runs: Run[], cols: string | undefined): { shown: Key[]; all: Key[]; constant: Keys['constant']; vocabulary: Vocabulary } {
  const keys = useMemo(() => keysOf(runs), [runs])
  return useMemo(() => {
    const metrics = new Set([...keys.varying, ...keys.constant].filter((key) => key.kind === 'metrics').map((key) => key.key))
    const tags = [...new Set(runs.flatMap((run) => [...tagsOf(run).keys()]))].filter((key) => !key.startsWith('mlflow.')).toSorted()
    const all: Key[] = [...keys.varying, ...keys.constant.map(({ kind, key }) => ({ kind, key })), ...tags.map((key) => ({ kind: 'tags' as const, key }))]
    const shown = cols === undefined ? keys.varying.filter((key) => !key.key.startsWith('system/') && !(key.kind === 'metrics' && isIntervalEnd(key.key, metrics))).slice(0, defaultColumns) : splitList(cols).flatMap((id) => parseKeyId(id) ?? [])
    const params = new Map<string, string[]>()
    for (const run of runs)
      for (const { key, value } of run.data?.params ?? []) {
        const values = params.get(key) ?? []
        if (values.length < valuesMax && !values.includes(value)) params.set(key, [...values, value])
      }
    return { shown, all, constant: cols === undefined ? keys.constant.filter((it) => it.kind === 'params') : [], vocabulary: { metrics: all.filter((key) => key.kind === 'metrics').map((key) => key.key), params, tags } }
  }, [runs, cols, keys])
}
