/** The span tree and where its bars lie: pure layout, no pixels. */
import type { Span } from '../../api/otlp'

export type SpanRow = {
  span: Span
  depth: number
  /** Indexes into the whole list, so that folding hides a subtree without walking it. */
  parent: number
  childCount: number
  descendantCount: number
  /** Milliseconds after the trace began. */
  offsetMs: number
  durationMs: number
  /** Fractions of the trace's length. */
  left: number
  width: number
  /** Whether shortening this span would shorten the trace. */
  critical: boolean
}

export type SpanTree = { rows: SpanRow[]; startMs: number; durationMs: number }

/** Depth first, siblings by start. A span whose parent is missing stands at the top rather than disappearing. */
export function layout(spans: Span[]): SpanTree {
  if (spans.length === 0) return { rows: [], startMs: 0, durationMs: 0 }
  const startMs = spans.reduce((least, span) => Math.min(least, span.startMs), Infinity)
  const durationMs = spans.reduce((most, span) => Math.max(most, endOf(span)), -Infinity) - startMs
  const children = childrenOf(spans)
  const critical = criticalPath(children)

  const rows: SpanRow[] = []
  const placed = new Set<string>()
  // Explicit stacks: a trace may be deeper than the call stack.
  const place = (top: Span) => {
    const waiting = [{ span: top, depth: 0, parent: -1 }]
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { span, depth, parent } = next
      if (placed.has(span.id)) continue
      placed.add(span.id)
      const at = rows.length
      const own = (children.get(span.id) ?? []).filter((child) => !placed.has(child.id))
      rows.push({
        span,
        depth,
        parent,
        childCount: own.length,
        descendantCount: 0,
        offsetMs: span.startMs - startMs,
        durationMs: endOf(span) - span.startMs,
        left: durationMs > 0 ? (span.startMs - startMs) / durationMs : 0,
        width: durationMs > 0 ? (endOf(span) - span.startMs) / durationMs : 1,
        critical: critical.has(span.id),
      })
      for (const child of own.toReversed()) waiting.push({ span: child, depth: depth + 1, parent: at })
    }
  }
  for (const root of children.get('') ?? []) place(root)
  // Only a broken trace has spans that are each other's parents; they are shown at the top.
  for (const span of spans) if (!placed.has(span.id)) place(span)
  for (let at = rows.length - 1; at >= 0; at--) {
    const row = rows[at]
    const parent = row && rows[row.parent]
    if (parent) parent.descendantCount += row.descendantCount + 1
  }
  return { rows, startMs, durationMs }
}

/** The rows left when these spans are folded. */
export function unfolded(rows: SpanRow[], folded: ReadonlySet<string>): SpanRow[] {
  const shown: SpanRow[] = []
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]
    if (!row) break
    shown.push(row)
    if (folded.has(row.span.id)) index += row.descendantCount
  }
  return shown
}

/** The first span that failed on its own: the deepest error, earliest first, because parents only pass it on. */
export function firstError(rows: SpanRow[]): Span | undefined {
  const passesOn = new Set(rows.flatMap((row) => (row.span.status === 'error' ? [row.parent] : [])))
  const failed = rows.findIndex((row, at) => row.span.status === 'error' && !passesOn.has(at))
  return rows[failed]?.span
}

/** Round steps for the time axis: at most `count` of them, each 1, 2 or 5 times a power of ten. */
export function ticks(durationMs: number, count: number): number[] {
  if (!(durationMs > 0)) return [0]
  const raw = durationMs / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= raw) ?? raw
  return Array.from({ length: Math.floor(durationMs / step) + 1 }, (_, index) => index * step)
}

const endOf = (span: Span) => Math.max(span.endMs ?? span.startMs, span.startMs)

/** The spans below each parent by start; those with no known parent below the empty name. */
function childrenOf(spans: Span[]): Map<string, Span[]> {
  const known = new Set(spans.map((span) => span.id))
  const children = new Map<string, Span[]>()
  for (const span of spans) {
    const parent = known.has(span.parentId) && span.parentId !== span.id ? span.parentId : ''
    const siblings = children.get(parent)
    if (siblings) siblings.push(span)
    else children.set(parent, [span])
  }
  for (const siblings of children.values()) siblings.sort((a, b) => a.startMs - b.startMs || endOf(b) - endOf(a))
  return children
}

/** Walks back from the end of the root that ended last: what was last to finish is what its parent waited for. */
function criticalPath(children: Map<string, Span[]>): Set<string> {
  const critical = new Set<string>()
  const waiting = byEnd(children.get('') ?? []).slice(0, 1)
  for (let span = waiting.pop(); span; span = waiting.pop()) {
    if (critical.has(span.id)) continue
    critical.add(span.id)
    let cursor = endOf(span)
    for (const child of byEnd(children.get(span.id) ?? [])) {
      if (endOf(child) > cursor) continue
      waiting.push(child)
      cursor = child.startMs
    }
  }
  return critical
}

const byEnd = (spans: Span[]) => spans.toSorted((a, b) => endOf(b) - endOf(a))
