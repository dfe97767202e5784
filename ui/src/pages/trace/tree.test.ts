import { describe, expect, test } from 'vitest'
import type { Span } from '../../api/otlp'
import { firstError, layout, ticks, unfolded } from './tree'

const span = (id: string, parentId: string, startMs: number, endMs: number, more: Partial<Span> = {}): Span => ({
  id, parentId, name: id, kind: 'TOOL', startMs, endMs, status: 'ok', statusMessage: '', inputs: undefined, outputs: undefined, attributes: {}, events: [], model: undefined, tokens: undefined, ...more,
})

// root ── a(10–30) ── a1(12–28)
//      ├─ b(20–60)
//      └─ c(70–90)
const spans = [span('c', 'root', 1070, 1090), span('b', 'root', 1020, 1060), span('a1', 'a', 1012, 1028), span('root', '', 1000, 1100), span('a', 'root', 1010, 1030)]

test('rows come depth first, siblings by start, with offsets from the trace start', () => {
  const tree = layout(spans)
  expect(tree.durationMs).toBe(100)
  expect(tree.rows.map((row) => [row.span.id, row.depth, row.offsetMs, row.durationMs, row.left, row.width, row.descendantCount])).toEqual([
    ['root', 0, 0, 100, 0, 1, 4],
    ['a', 1, 10, 20, 0.1, 0.2, 1],
    ['a1', 2, 12, 16, 0.12, 0.16, 0],
    ['b', 1, 20, 40, 0.2, 0.4, 0],
    ['c', 1, 70, 20, 0.7, 0.2, 0],
  ])
})

test('the critical path is what the root waited for', () => {
  // b overlaps a and ends later, so a is not waited for.
  expect(layout(spans).rows.filter((row) => row.critical).map((row) => row.span.id)).toEqual(['root', 'b', 'c'])
})

test('folding hides the whole subtree and nothing else', () => {
  const { rows } = layout(spans)
  expect(unfolded(rows, new Set(['a'])).map((row) => row.span.id)).toEqual(['root', 'a', 'b', 'c'])
  expect(unfolded(rows, new Set(['root'])).map((row) => row.span.id)).toEqual(['root'])
})

describe('broken traces', () => {
  test('a span whose parent is missing stands at the top', () => {
    expect(layout([span('x', 'gone', 0, 5)]).rows.map((row) => [row.span.id, row.depth])).toEqual([['x', 0]])
  })
  test('spans that are each other’s parents are shown once', () => {
    expect(layout([span('x', 'y', 0, 5), span('y', 'x', 1, 4), span('z', 'z', 2, 3)]).rows.map((row) => row.span.id).toSorted()).toEqual(['x', 'y', 'z'])
  })
  test('a span still running has no length, and an instant trace fills the lane', () => {
    expect(layout([span('x', '', 7, 0, { endMs: undefined })]).rows.map((row) => [row.durationMs, row.left, row.width])).toEqual([[0, 0, 1]])
  })
  test('ten thousand spans, each inside the one before', () => {
    const deep = Array.from({ length: 10_000 }, (_, index) => span(`s${index}`, index === 0 ? '' : `s${index - 1}`, index, 20_000 - index))
    const { rows } = layout(deep)
    expect([rows.length, rows.at(-1)?.depth, rows[0]?.descendantCount]).toEqual([10_000, 9999, 9999])
  })
  test('a trace whose every span failed has a first error', () => {
    const all = Array.from({ length: 20_000 }, (_, index) => span(`s${index}`, index === 0 ? '' : 's0', index, index + 1, { status: 'error' }))
    expect(firstError(layout(all).rows)?.id).toBe('s1')
  })
  test('no spans, no rows', () => expect(layout([])).toEqual({ rows: [], startMs: 0, durationMs: 0 }))
})

test('the first error is the span that failed itself, not the ones that pass it on', () => {
  const failed = { status: 'error' as const }
  const { rows } = layout([span('root', '', 0, 10, failed), span('a', 'root', 1, 2), span('b', 'root', 3, 9, failed), span('b1', 'b', 4, 8, failed)])
  expect(firstError(rows)?.id).toBe('b1')
  expect(firstError(layout(spans).rows)).toBeUndefined()
})

test.each([
  [100, 5, [0, 20, 40, 60, 80, 100]],
  [587, 4, [0, 200, 400]],
  [0.9, 3, [0, 0.5]],
  [0, 4, [0]],
])('%d ms in at most %d steps', (durationMs, count, expected) => {
  expect(ticks(durationMs, count)).toEqual(expected)
})
