import { expect, test } from 'vitest'
import { gateState, isClear, metricNames, parseResults } from './results'

const text = JSON.stringify({ name: 'wine', task: 'regression', variants: [{ name: 'a', metrics: { rmse: { value: 0.7, ci: [0.6, 0.8] } } }, { name: 'b', metrics: { rmse: { value: 0.8 }, r2: { value: null } } }] })

test('results are read with what they lack filled in', () => {
  const results = parseResults(text)
  expect(results).toMatchObject({ name: 'wine', gates: [], differences: [] })
  expect(results && metricNames(results)).toEqual(['rmse', 'r2'])
})

test.each(['{}', '[]', 'null', 'no json', '{"variants":[{"name":1}]}', '{"variants":[null]}'])('%s holds no results', (other) => expect(parseResults(other)).toBeUndefined())

test.each([
  [{ verdict: 'pass', level: 'fail' }, 'pass'],
  [{ verdict: 'fail', level: 'fail' }, 'fail'],
  [{ verdict: 'fail', level: 'warn' }, 'warn'],
  [{ verdict: 'inconclusive', level: 'fail' }, 'inconclusive'],
])('the gate %j is %s', (gate, state) => expect(gateState({ gate: 'g', variant: 'v', ...gate })).toBe(state))

test('a difference is clear when its interval leaves zero out', () => {
  const difference = (ci: [number, number] | null) => isClear({ metric: 'm', variant: 'v', baseline: 'b', difference: 0, ci })
  expect([difference([0.1, 0.2]), difference([-0.2, -0.1]), difference([-0.1, 0.1]), difference(null)]).toEqual([true, true, false, false])
})
