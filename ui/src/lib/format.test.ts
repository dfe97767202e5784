import { expect, test } from 'vitest'
import { columnFormat, count, formatAge, formatBytes, formatCost, formatDelta, formatDuration, formatNumber, shortId } from './format'

test.each([
  [0, '0'],
  [0.5714285714285714, '0.5714'],
  [0.5, '0.5'],
  [123.456, '123.5'],
  [1541.0001, '1541'],
  [9999, '9999'],
  [15108, '15\u202f108'],
  [1234567.8, '1\u202f234\u202f568'],
  [123456789, '1.235e8'],
  [0.00001234, '1.234e\u22125'],
  [-0.25, '\u22120.25'],
  [1.7976931348623157e308, '∞'],
  [-1.7976931348623157e308, '\u2212∞'],
  [Number.NaN, 'NaN'],
  [undefined, '–'],
  [null, '–'],
])('the number %s reads %s', (value, expected) => expect(formatNumber(value)).toBe(expected))

test('a column keeps the same decimals in each row', () => {
  const format = columnFormat([0.94, 0.8512, 0.9999])
  expect([0.94, 0.8512, 0.9999, 0].map(format)).toEqual(['0.9400', '0.8512', '0.9999', '0'])
})

test('a column of whole numbers has no decimals', () => expect([16, 128].map(columnFormat([16, 128]))).toEqual(['16', '128']))

test('a column over many magnitudes falls back to significant digits', () => expect(columnFormat([1e-5, 900])(1.5e-5)).toBe('1.5e\u22125'))

test.each([
  [0, '0 ms'],
  [0.42, '0.42 ms'],
  [587.4, '587 ms'],
  [1234, '1.2 s'],
  [42_300, '42 s'],
  [184_000, '3 m 04 s'],
  [7_500_000, '2 h 05 m'],
  [273_600_000, '3 d 4 h'],
  [-1, '–'],
  [undefined, '–'],
])('%s ms reads %s', (ms, expected) => expect(formatDuration(ms)).toBe(expected))

test.each([
  [10, 'now'],
  [240, '4 min'],
  [3 * 3600, '3 h'],
  [6 * 86_400, '6 d'],
])('%s seconds ago reads %s', (seconds, expected) => {
  const now = Date.parse('2026-11-24T12:00:00')
  expect(formatAge(now - seconds * 1000, now)).toBe(expected)
})

test('an old time is a date, with the year when it is another one', () => {
  const now = Date.parse('2026-11-24T12:00:00')
  expect(formatAge(Date.parse('2026-03-02T12:00:00'), now)).toBe('2 Mar')
  expect(formatAge(Date.parse('2024-03-02T12:00:00'), now)).toBe('2 Mar 2024')
})

test.each([
  [812, '812 B'],
  [4200, '4.2 kB'],
  [13_400_000, '13 MB'],
])('%s bytes read %s', (bytes, expected) => expect(formatBytes(bytes)).toBe(expected))

test.each([
  [0, '$0'],
  [0.0111, '$0.0111'],
  [1.2, '$1.20'],
  [0.0000123, '$0.000012'],
])('%s dollars read %s', (usd, expected) => expect(formatCost(usd)).toBe(expected))

test('a delta carries its sign', () => expect([0.25, -0.25, 0].map(formatDelta)).toEqual(['+0.25', '\u22120.25', '±0']))

test('nouns agree with their number', () => expect([count(1, 'run'), count(2, 'run'), count(12_500, 'run')]).toEqual(['1 run', '2 runs', '12\u202f500 runs']))

test('a short id drops the prefix that all share', () => expect(shortId('tr-fa353aa012345678')).toBe('fa353aa0'))
