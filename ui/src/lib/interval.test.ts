import { expect, test } from 'vitest'
import { formatInterval, intervalOf, withoutIntervalEnds } from './interval'

test('the ends of an interval are folded into their metric, ends of nothing stay', () => expect(withoutIntervalEnds(['f1', 'f1.ci.low', 'f1.ci.high', 'gone.ci.low'])).toEqual(['f1', 'gone.ci.low']))

test('an interval needs both ends', () => {
  expect(intervalOf(new Map([['f1.ci.low', 0.1], ['f1.ci.high', 0.25]]), 'f1')).toEqual({ low: 0.1, high: 0.25 })
  expect(intervalOf(new Map([['f1.ci.low', 0.1]]), 'f1')).toBeUndefined()
})

test('an interval reads like the report writes it', () => expect(formatInterval({ low: 0.12345, high: 0.5 })).toBe('[0.1235, 0.5]'))
