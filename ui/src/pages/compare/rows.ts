/** The lines of a comparison: one per parameter, metric or attribute, with each run's value. */
import { durationOf, metricsOf, paramsOf, tagsOf } from '../../api/runs'
import type { Run } from '../../api/types'
import { withoutIntervalEnds } from '../../lib/interval'

export type CompareRow = { group: 'Parameters' | 'Metrics' | 'Run'; key: string; numeric: boolean; values: (string | number | undefined)[] }

const differs = (values: (string | number | undefined)[]) => values.some((value) => !Object.is(value, values[0]))

const union = (maps: Map<string, unknown>[]) => [...new Set(maps.flatMap((map) => [...map.keys()]))].toSorted()

/** All lines, or only those in which the runs differ. */
export function compareRows(runs: Run[], all: boolean): { rows: CompareRow[]; hidden: number } {
  const params = runs.map(paramsOf)
  const metrics = runs.map(metricsOf)
  const tags = runs.map(tagsOf)
  const rows: CompareRow[] = [
    ...union(params).map((key): CompareRow => ({ group: 'Parameters', key, numeric: false, values: params.map((map) => map.get(key)) })),
    ...withoutIntervalEnds(union(metrics)).map((key): CompareRow => ({ group: 'Metrics', key, numeric: true, values: metrics.map((map) => map.get(key)) })),
    { group: 'Run', key: 'status', numeric: false, values: runs.map((run) => run.info.status) },
    { group: 'Run', key: 'started', numeric: false, values: runs.map((run) => run.info.start_time) },
    { group: 'Run', key: 'duration', numeric: false, values: runs.map((run) => durationOf(run)) },
    { group: 'Run', key: 'user', numeric: false, values: runs.map((run, index) => run.info.user_id || tags[index]?.get('mlflow.user')) },
    { group: 'Run', key: 'commit', numeric: false, values: tags.map((map) => map.get('mlflow.source.git.commit')) },
  ]
  const shown = rows.filter((row) => (all ? row.values.some((value) => value !== undefined) : differs(row.values)))
  const known = rows.filter((row) => row.values.some((value) => value !== undefined))
  return { rows: shown, hidden: known.length - shown.length }
}
