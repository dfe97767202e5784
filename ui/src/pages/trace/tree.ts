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
  const startMs = Math.min(...spans.map((span) => span.startMs))
  const durationMs = Math.max(...spans.map(endOf)) - startMs
  const known = new Set(spans.map((span) => span.id))
  const children = new Map<string, Span[]>()
  for (const span of spans) {
    const parent = known.has(span.parentId) && span.parentId !== span.id ? span.parentId : ''
    children.set(parent, [...(children.get(parent) ?? []), span])
  }
  for (const siblings of children.values()) siblings.sort((a, b) => a.startMs - b.startMs || endOf(b) - endOf(a))

  const rows: SpanRow[] = []
  const placed = new Set<string>()
  const critical = new Set<string>()
  const place = (span: Span, depth: number, parent: number) => {
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
      critical: false,
    })
    for (const child of own) if (!placed.has(child.id)) place(child, depth + 1, at)
    const row = rows[at]
    if (row) row.descendantCount = rows.length - at - 1
  }
  const roots = children.get('') ?? []
  for (const root of roots) place(root, 0, -1)
  // Only a broken trace has spans that are each other's parents; they are shown at the top.
  for (const span of spans) if (!placed.has(span.id)) place(span, 0, -1)
  const last = roots.toSorted((a, b) => endOf(b) - endOf(a))[0]
  if (last) markCritical(last, endOf(last), children, critical)
  for (const row of rows) row.critical = critical.has(row.span.id)
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
  const failed = rows.filter((row) => row.span.status === 'error')
  const passesOn = new Set(failed.map((row) => row.parent))
  return (failed.find((row) => !passesOn.has(rows.indexOf(row))) ?? failed[0])?.span
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

/** Walks back from the end: whatever was last to finish is what the parent waited for. */
function markCritical(span: Span, untilMs: number, children: Map<string, Span[]>, critical: Set<string>) {
  if (critical.has(span.id)) return
  critical.add(span.id)
  let cursor = untilMs
  for (const child of (children.get(span.id) ?? []).toSorted((a, b) => endOf(b) - endOf(a))) {
    if (endOf(child) > cursor) continue
    markCritical(child, endOf(child), children, critical)
    cursor = child.startMs
  }
}
