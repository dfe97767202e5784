import { expect, test } from 'vitest'
import type { Run } from '../../api/types'
import { compareRows } from './rows'

const run = (id: string, loss: number, params: Record<string, string>): Run => ({
  info: { run_id: id, experiment_id: '1', status: 'FINISHED', lifecycle_stage: 'active', user_id: 'ada' },
  data: { metrics: [{ key: 'loss', value: loss, step: 0, timestamp: 0 }], params: Object.entries(params).map(([key, value]) => ({ key, value })) },
})
const runs = [run('a', 1, { lr: '0.1', seed: '42' }), run('b', 2, { lr: '0.1' })]

test('only differences are shown, the rest is counted', () => {
  const { rows, hidden } = compareRows(runs, false)
  expect(rows.map((row) => [row.key, row.values])).toEqual([
    ['seed', ['42', undefined]],
    ['loss', [1, 2]],
  ])
  expect(hidden).toBe(3)
})

test('all lines on demand, but none that is empty everywhere', () => expect(compareRows(runs, true).rows.map((row) => row.key)).toEqual(['lr', 'seed', 'loss', 'status', 'user']))
