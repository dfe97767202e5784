import { expect, test } from 'vitest'
import type { Run } from '../api/types'
import { keyId, keysOf, parseKeyId } from './vary'

const run = (metrics: Record<string, number>, params: Record<string, string>): Run => ({
  info: { run_id: 'r', experiment_id: '1', status: 'FINISHED', lifecycle_stage: 'active' },
  data: { metrics: Object.entries(metrics).map(([key, value]) => ({ key, value, step: 0, timestamp: 0 })), params: Object.entries(params).map(([key, value]) => ({ key, value })) },
})

test('what differs varies; what is the same wherever it is set is constant', () => {
  const keys = keysOf([run({ loss: 1, 'system/cpu': 1 }, { lr: '0.1', seed: '42', extra: 'x' }), run({ loss: 2, 'system/cpu': 2 }, { lr: '0.2', seed: '42' })])
  expect(keys.varying.map(keyId)).toEqual(['metrics.loss', 'params.lr', 'metrics.system/cpu'])
  expect(keys.constant).toEqual([
    { kind: 'params', key: 'extra', value: 'x' },
    { kind: 'params', key: 'seed', value: '42' },
  ])
})

test('a single run shows all it has', () => expect(keysOf([run({ loss: 1 }, { lr: '0.1' })]).varying.map(keyId)).toEqual(['metrics.loss', 'params.lr']))

test('NaN in all runs is no difference', () => expect(keysOf([run({ loss: Number.NaN }, {}), run({ loss: Number.NaN }, {})]).varying).toEqual([]))

test('a column id survives the address', () => {
  expect(parseKeyId(keyId({ kind: 'metrics', key: 'val.acc/1' }))).toEqual({ kind: 'metrics', key: 'val.acc/1' })
  expect(parseKeyId('nonsense')).toBeUndefined()
})
