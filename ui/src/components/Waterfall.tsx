/** The span tree and its waterfall as one table: name · bar · duration · tokens. */
import { useVirtualizer } from '@tanstack/react-virtual'
import { ChevronRight, X } from 'lucide-react'
import { useEffect, useMemo, useRef, type KeyboardEvent } from 'react'
import { formatDuration, formatNumber } from '../lib/format'
import { ticks, unfolded, type SpanRow, type SpanTree } from '../pages/trace/tree'
import { kindColor, SpanKind } from './SpanKind'
import styles from './Waterfall.module.css'

const rowHeight = 28
/** More labels than this run into each other in a narrow lane. */
const ticksMax = 5
/** A label further right would be cut off. */
const labelsUntil = 0.86

type Props = {
  tree: SpanTree
  selected: string
  onSelect: (id: string) => void
  folded: ReadonlySet<string>
  onFold: (id: string, fold: boolean) => void
  /** Spans a search found; the others step back. */
  found?: ReadonlySet<string>
}

export function Waterfall({ tree, selected, onSelect, folded, onFold, found }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const rows = useMemo(() => unfolded(tree.rows, folded), [tree, folded])
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 20 })
  const at = rows.findIndex((row) => row.span.id === selected)
  const marks = ticks(tree.durationMs, ticksMax)
  const step = marks[1] && tree.durationMs > 0 ? marks[1] / tree.durationMs : 1

  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' })
  }, [at, virtual])

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return
    const row = rows[at]
    const go = (index: number) => {
      const next = rows[Math.max(0, Math.min(rows.length - 1, index))]
      if (next) onSelect(next.span.id)
    }
    const actions: Record<string, () => void> = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowRight: () => (row && row.childCount > 0 && folded.has(row.span.id) ? onFold(row.span.id, false) : go(at + (row && row.childCount > 0 ? 1 : 0))),
      ArrowLeft: () => {
        if (row && row.childCount > 0 && !folded.has(row.span.id)) return onFold(row.span.id, true)
        const parent = row && row.parent >= 0 ? tree.rows[row.parent] : undefined
        if (parent) onSelect(parent.span.id)
      },
    }
    const action = actions[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }

  return (
    // One tab stop: the arrow keys move inside, and the selected row is announced.
    <div className={styles.table} role="treegrid" aria-label="Spans" aria-rowcount={rows.length + 1} aria-activedescendant={at >= 0 ? `span-${at}` : undefined} tabIndex={0} onKeyDown={onKeyDown} style={{ '--step': `${step * 100}%` } as React.CSSProperties}>
      <div role="rowgroup">
        <div className={`${styles.row} ${styles.head}`} role="row" aria-rowindex={1}>
          <span role="columnheader">Span</span>
          <span role="columnheader" className={styles.axis} aria-label="Timeline">
            {marks.filter((mark) => mark === 0 || mark < tree.durationMs * labelsUntil).map((mark) => (
              <i key={mark} style={{ left: `${(mark / tree.durationMs) * 100}%` }}>
                {mark === 0 ? '0' : formatDuration(mark)}
              </i>
            ))}
          </span>
          <span role="columnheader" className={styles.number}>
            Time
          </span>
          <span role="columnheader" className={styles.number}>
            Tokens
          </span>
        </div>
      </div>
      <div className={styles.body} ref={scroller}>
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index]
            return (
              row && (
                <Row key={row.span.id} row={row} index={item.index} top={item.start} selected={item.index === at} folded={folded.has(row.span.id)} dim={found !== undefined && !found.has(row.span.id)} onSelect={onSelect} onFold={onFold} />
              )
            )
          })}
        </div>
      </div>
    </div>
  )
}

type RowProps = { row: SpanRow; index: number; top: number; selected: boolean; folded: boolean; dim: boolean; onSelect: (id: string) => void; onFold: (id: string, fold: boolean) => void }

function Row({ row, index, top, selected, folded, dim, onSelect, onFold }: RowProps) {
  const { span } = row
  const failed = span.status === 'error'
  const label = `${span.name}, ${formatDuration(row.durationMs)}${failed ? ', failed' : ''}`
  return (
    // The table itself handles the keyboard, by its selected row.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <div
      id={`span-${index}`}
      role="row"
      className={`${styles.row} ${dim ? styles.dim : ''} ${row.critical ? '' : styles.offPath}`}
      style={{ transform: `translateY(${top}px)` }}
      aria-rowindex={index + 2}
      aria-level={row.depth + 1}
      aria-selected={selected}
      aria-expanded={row.childCount > 0 ? !folded : undefined}
      aria-label={label}
      onClick={() => onSelect(span.id)}
    >
      <span role="gridcell" className={styles.name} style={{ paddingLeft: row.depth * 14 }}>
        {row.childCount > 0 ? (
          <button type="button" tabIndex={-1} className={styles.fold} aria-label={folded ? `Unfold ${span.name}` : `Fold ${span.name}`} onClick={(event) => (event.stopPropagation(), onFold(span.id, !folded))}>
            <ChevronRight className={folded ? '' : styles.open} />
          </button>
        ) : (
          <i className={styles.leaf} />
        )}
        <SpanKind kind={span.kind} />
        <span className={`truncate ${failed ? styles.failed : ''}`} title={span.name}>
          {span.name}
        </span>
        {failed && <X className={styles.cross} aria-label="failed" />}
        {folded && <span className={styles.more}>+{row.descendantCount}</span>}
      </span>
      <span role="gridcell" className={styles.lane} aria-label={`from ${formatDuration(row.offsetMs)}`}>
        <i className={styles.bar} style={{ left: `${row.left * 100}%`, width: `${row.width * 100}%`, background: failed ? 'var(--bad)' : kindColor(span.kind) }} />
      </span>
      <span role="gridcell" className={styles.number}>
        {span.endMs === undefined ? '…' : formatDuration(row.durationMs)}
      </span>
      <span role="gridcell" className={styles.number}>
        {span.tokens ? formatNumber(span.tokens.total) : ''}
      </span>
    </div>
  )
}
