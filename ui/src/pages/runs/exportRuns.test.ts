import { expect, test } from 'vitest'
import type { Run } from '../../api/types'
import { parseCsv } from '../../lib/csv'
import { runsToCsv } from './exportRuns'

test('a line per run, a column per key, full precision', () => {
  const runs: Run[] = [
    { info: { run_id: 'a', run_name: 'one, two', experiment_id: '1', status: 'FINISHED', lifecycle_stage: 'active', start_time: 0, end_time: 1500 }, data: { params: [{ key: 'lr', value: '0.1' }], metrics: [{ key: 'loss', value: 0.123456789012, step: 3, timestamp: 0 }] } },
    { info: { run_id: 'b', run_name: 'b', experiment_id: '1', status: 'RUNNING', lifecycle_stage: 'active', start_time: Date.UTC(2026, 0, 2) }, data: { params: [{ key: 'depth', value: '2' }] } },
  ]
  expect(parseCsv(runsToCsv(runs))).toEqual([
    ['run_id', 'run_name', 'status', 'start_time', 'duration_ms', 'params.depth', 'params.lr', 'metrics.loss'],
    ['a', 'one, two', 'FINISHED', '', '', '', '0.1', '0.123456789012'],
    ['b', 'b', 'RUNNING', '2026-01-02T00:00:00.000Z', '', '2', '', ''],
  ])
})
