import { expect, test } from 'vitest'
import { complete, fieldName, pieceAt, suggest } from './filter'

const vocabulary = { metrics: ['val/acc', 'loss'], params: new Map([['optimizer', ['adam', 'sgd']]]), tags: ['team'] }
const labels = (text: string, caret = text.length) => suggest(text, caret, vocabulary).map((it) => it.label)

test('keys are quoted only where the grammar needs it', () => expect([fieldName('metrics', 'loss'), fieldName('metrics', 'val/acc'), fieldName('params', 'a"b')]).toEqual(['metrics.loss', 'metrics."val/acc"', 'params.`a"b`']))

test.each([
  ['metrics.lo', 'metrics.lo'],
  ['a = 1 and params."x y', 'params."x y'],
  ["params.x = 'a b' and ", ''],
  ['(metrics', 'metrics'],
])('the piece at the end of %j is %j', (text, piece) => expect(pieceAt(text, text.length).piece).toBe(piece))

test('an empty filter offers every field', () => expect(labels('')).toEqual(expect.arrayContaining(['val/acc', 'optimizer', 'status', 'team'])))

test('typing narrows the fields, whatever their quotes', () => expect(labels('metrics.val')).toEqual(['val/acc']))

test('after a metric come numeric comparisons', () => expect(labels('metrics."val/acc" ')).toEqual(['>', '<', '>=', '<=', '=', '!=']))

test('after a parameter come text comparisons', () => expect(labels('params.optimizer ')).toEqual(['=', '!=', 'LIKE', 'ILIKE']))

test('after a comparison come the values that occur', () => {
  expect(labels('params.optimizer = ')).toEqual(['adam', 'sgd'])
  expect(labels("params.optimizer = 's")).toEqual(['sgd'])
  expect(labels('attributes.status = ')).toContain('FAILED')
})

test('after a value comes a conjunction', () => expect(labels("params.optimizer = 'sgd' ")).toEqual(['and']))

test('a chosen suggestion replaces the piece and keeps the rest', () => {
  const text = 'metrics.val and x = 1'
  const [first] = suggest(text, 11, vocabulary)
  expect(first && complete(text, 11, first)).toEqual({ text: 'metrics."val/acc" and x = 1', caret: 18 })
})
