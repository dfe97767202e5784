import { expect, test } from 'vitest'
import { mlflowHash } from '../routes'
import { validateExperimentSearch } from '../pages/runs/search'
import { joinList, parseSearch, splitList, stringifySearch } from './search'

test('an address reads as it is written', () => {
  const search = { q: 'metrics."val/acc" > 0.9', sel: 'a,b', smooth: 0.5, log: true, tab: undefined }
  const text = stringifySearch(search)
  expect(text).toBe('?q=metrics.%22val/acc%22+%3E+0.9&sel=a,b&smooth=0.5&log=true')
  expect(validateExperimentSearch(parseSearch(text))).toMatchObject({ q: search.q, sel: 'a,b', smooth: 0.5, log: true })
})

test('nothing to say leaves no question mark', () => expect(stringifySearch({ q: undefined, log: false })).toBe(''))

test('unknown values in an address are dropped, not shown', () => expect(validateExperimentSearch(parseSearch('?tab=nope&view=upside&smooth=x&log=no'))).toMatchObject({ tab: undefined, view: undefined, smooth: undefined, log: undefined }))

test.each([[['a', 'b']], [['x,y', '50%']], [['%2C']], [[]]])('the list %j survives', (items) => expect(splitList(joinList(items))).toEqual(items))

test.each([
  ['#/experiments/1/runs/abc', '/runs/abc'],
  ['#/experiments/7', '/experiments/7'],
  ['#/experiments/1/traces', '/experiments/1?tab=traces'],
  ['#/experiments/1/traces?selectedEvaluationId=tr-9', '/traces/tr-9'],
  ['#section', undefined],
])('the MLflow address %s opens %s', (hash, path) => expect(mlflowHash(hash)).toBe(path))
