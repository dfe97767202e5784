/** Runs as a CSV file: attributes, then parameters, then metrics in full precision. */
import { durationOf, metricsOf, nameOf, paramsOf } from '../../api/runs'
import type { Run } from '../../api/types'
import { toCsv } from '../../lib/csv'

export function runsToCsv(runs: Run[]): string {
  const params = [...new Set(runs.flatMap((run) => [...paramsOf(run).keys()]))].toSorted()
  const metrics = [...new Set(runs.flatMap((run) => [...metricsOf(run).keys()]))].toSorted()
  const head = ['run_id', 'run_name', 'status', 'start_time', 'duration_ms', ...params.map((key) => `params.${key}`), ...metrics.map((key) => `metrics.${key}`)]
  const rows = runs.map((run) => {
    const { info } = run
    const start = info.start_time ? new Date(info.start_time).toISOString() : ''
    const ofRun = { params: paramsOf(run), metrics: metricsOf(run) }
    return [info.run_id, nameOf(run), info.status, start, info.end_time ? durationOf(run) : undefined, ...params.map((key) => ofRun.params.get(key)), ...metrics.map((key) => ofRun.metrics.get(key))]
  })
  return toCsv([head, ...rows])
}
