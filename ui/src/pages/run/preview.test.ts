import { expect, test } from 'vitest'
import { cellText, isNumeric, parseSplit, tableFromCsv } from './preview'
import { kindOf } from './previewKind'

test('an evaluation table is read, bare NaN included', () => expect(parseSplit('{"columns":["q","score"],"index":[0],"data":[["hi",NaN]]}')).toEqual({ columns: ['q', 'score'], rows: [['hi', null]] }))

test.each(['{"a":1}', '[1,2]', 'null', 'not json', '{"columns":["a"],"data":[1]}'])('%s is no table', (text) => expect(parseSplit(text)).toBeUndefined())

test('the first line of a CSV names its columns', () => expect(tableFromCsv([['a', 'b'], ['1', '2']])).toEqual({ columns: ['a', 'b'], rows: [['1', '2']] }))

test('cells say what they hold', () => {
  expect([cellText(null), cellText(0), cellText({ a: 1 })]).toEqual(['', '0', '{"a":1}'])
  expect([isNumeric('1e-3'), isNumeric(''), isNumeric('KB-12')]).toEqual([true, false, false])
})

test.each([
  ['eval_results_table.json', 'evaluation'],
  ['plots/roc.PNG', 'image'],
  ['data/rows.csv', 'table'],
  ['README.md', 'markdown'],
  ['model/MLmodel', 'text'],
  ['model.safetensors', 'none'],
])('%s is shown as %s', (path, kind) => expect(kindOf(path)).toBe(kind))
