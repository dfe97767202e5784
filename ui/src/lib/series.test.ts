import { expect, test } from 'vitest'
import { groupByPrefix, smooth, toSeries } from './series'

const points = [
  { step: 0, timestamp: 1000, value: 4 },
  { step: 1, timestamp: 3000, value: 2 },
  { step: 2, timestamp: 2000, value: 0 },
]
const line = (of = points) => ({ id: 'r', label: 'run', color: 'var(--c1)', points: of })

test('smoothing starts at the first value and trails behind', () => {
  const smoothed = smooth([4, 2, 0], 0.5) as number[]
  expect(smoothed[0]).toBe(4)
  expect(smoothed[1]).toBeCloseTo(8 / 3)
  expect(smoothed[2]).toBeCloseTo(8 / 7)
})

test('a gap stays a gap', () => expect(smooth([1, null, 3], 0.5)[1]).toBeNull())

test.each([
  ['step', [0, 1, 2], [4, 2, 0]],
  ['time', [1, 2, 3], [4, 0, 2]],
  ['relative', [0, 1, 2], [4, 0, 2]],
] as const)('by %s the points lie at their places in rising order', (kind, x, y) => {
  const [series] = toSeries([line()], kind, 0)
  expect([series?.x, series?.y]).toEqual([x, y])
})

test('smoothing keeps the raw line, faint', () => expect(toSeries([line()], 'step', 0.5)[0]?.faint).toEqual([4, 2, 0]))

test('a step logged twice keeps its last value', () => {
  const twice = [{ step: 0, timestamp: 1, value: 1 }, { step: 0, timestamp: 2, value: 5 }]
  expect(toSeries([line(twice)], 'step', 0)[0]).toMatchObject({ x: [0], y: [5] })
})

test('a run without points draws nothing', () => expect(toSeries([line([])], 'step', 0)).toEqual([]))

test('three metrics make a group; fewer join the unnamed one, the machine last', () =>
  expect(groupByPrefix(['val/loss', 'val/acc', 'val/f1', 'train/loss', 'lr', 'system/cpu'])).toEqual([
    { prefix: '', keys: ['lr', 'train/loss', 'system/cpu'] },
    { prefix: 'val', keys: ['val/acc', 'val/f1', 'val/loss'] },
  ]))
