import { expect, test } from 'vitest'
import { parseCsv, toCsv } from './csv'

test.each([
  ['a,b\n1,2\n', [['a', 'b'], ['1', '2']]],
  ['a,b\r\n1,2', [['a', 'b'], ['1', '2']]],
  ['a\n"x, ""y""\nz"', [['a'], ['x, "y"\nz']]],
  ['\ufeffa,b', [['a', 'b']]],
  ['a,,c\n,,', [['a', '', 'c'], ['', '', '']]],
  ['a\n\nb', [['a'], ['b']]],
  ['', []],
])('reads %j', (text, expected) => expect(parseCsv(text)).toEqual(expected))

test('tabs separate when told so', () => expect(parseCsv('a\tb', '\t')).toEqual([['a', 'b']]))

test('stops after the rows asked for', () => expect(parseCsv('a\nb\nc', ',', 2)).toEqual([['a'], ['b']]))

test('what is written reads back the same', () => {
  const rows = [['name', 'note'], ['x,1', 'said "hi"'], ['', 'two\nlines']]
  expect(parseCsv(toCsv(rows))).toEqual(rows)
})

test('numbers keep full precision, missing ones are empty, formulas become text', () => expect(toCsv([[0.1 + 0.2, undefined, '=cmd()', '-1.5']])).toBe("0.30000000000000004,,'=cmd(),-1.5"))
