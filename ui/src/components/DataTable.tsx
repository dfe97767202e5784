/** A table that renders only the rows in view. The first column stays in place; the keyboard walks the rows. */
import { useVirtualizer } from '@tanstack/react-virtual'
import { ArrowDown, ArrowUp } from 'lucide-react'
import { memo, useCallback, useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import styles from './DataTable.module.css'

export type Column<Row> = {
  id: string
  title: ReactNode
  /** The title in words, where `title` is not text. */
  hint?: string
  width: number
  numeric?: boolean
  /** Takes the room that is left over. */
  grow?: boolean
  /** What the server sorts by; a column without one cannot be sorted. */
  sortKey?: string
  cell: (row: Row, index: number) => ReactNode
}

export type Sort = { key: string; descending: boolean }

type Props<Row> = {
  label: string
  rows: Row[]
  columns: Column<Row>[]
  rowKey: (row: Row) => string
  /** All rows there are, when only some are loaded. */
  total?: number
  selected?: Set<string>
  onSelect?: (keys: string[], on: boolean) => void
  onOpen?: (row: Row) => void
  /** The row shown beside the table, if any. */
  current?: string
  sort?: Sort
  onSort?: (sort: Sort) => void
  /** Called when the last rows come into view. */
  onEnd?: () => void
  loadingMore?: boolean
  rowHeight?: number
  depth?: (row: Row) => number
  empty?: ReactNode
}

const selectWidth = 34
/** Rows rendered beyond the edges, so that fast scrolling shows no gaps. */
const overscan = 12
/** How many rows before the end the next page is asked for. */
const endMargin = 30

const cellStyle = <Row,>(column: Column<Row>, index: number, selectable: boolean) => ({ width: column.width, flexGrow: column.grow ? 1 : 0, ...(index === 0 ? { left: selectable ? selectWidth : 0 } : {}) })
const cellClass = <Row,>(column: Column<Row>, index: number) => `${column.numeric ? styles.numeric : ''} ${index === 0 ? styles.pinned : ''}`

export function DataTable<Row>({ label, rows, columns, rowKey, total, selected, onSelect, onOpen, current, sort, onSort, onEnd, loadingMore, rowHeight = 28, depth, empty }: Props<Row>) {
  const scroller = useRef<HTMLDivElement>(null)
  const [active, setActive] = useState(-1)
  const anchor = useRef(-1)
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan, scrollPaddingStart: 30 })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  const nearEnd = rows.length > 0 && last >= rows.length - endMargin

  useEffect(() => {
    if (nearEnd) onEnd?.()
  }, [nearEnd, rows.length, onEnd])
  useEffect(() => {
    virtual.measure()
  }, [rowHeight, virtual])

  const allOn = rows.length > 0 && selected !== undefined && rows.every((row) => selected.has(rowKey(row)))
  const someOn = selected !== undefined && selected.size > 0

  const select = (index: number, range: boolean) => {
    if (!onSelect || !selected) return
    const row = rows[index]
    if (!row) return
    const on = !selected.has(rowKey(row))
    const from = range && anchor.current >= 0 ? Math.min(anchor.current, index) : index
    const to = range && anchor.current >= 0 ? Math.max(anchor.current, index) : index
    onSelect(rows.slice(from, to + 1).map(rowKey), range ? true : on)
    anchor.current = index
  }

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== scroller.current || event.metaKey || event.ctrlKey || event.altKey) return
    const moves: Record<string, number> = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -rows.length, End: rows.length }
    const move = moves[event.key]
    if (move !== undefined) {
      event.preventDefault()
      const next = Math.max(0, Math.min(rows.length - 1, active + move))
      setActive(next)
      virtual.scrollToIndex(next)
      if (event.shiftKey && rows[next]) onSelect?.([rowKey(rows[next])], true)
    } else if ((event.key === 'x' || event.key === ' ') && active >= 0 && onSelect) {
      event.preventDefault()
      select(active, event.shiftKey)
    } else if (event.key === 'Enter' && rows[active]) {
      event.preventDefault()
      onOpen?.(rows[active])
    }
  }

  // Rows are memoised: what they call stays the same function and reads the latest table.
  const latest = useRef({ select, onOpen })
  latest.current = { select, onOpen }
  const press = useCallback((row: Row, index: number, range: boolean, box: boolean) => {
    if (!box) {
      scroller.current?.focus({ preventScroll: true })
      setActive(index)
    }
    if (latest.current.onOpen && !range && !box) latest.current.onOpen(row)
    else latest.current.select(index, range)
  }, [])

  const width = columns.reduce((sum, column) => sum + column.width, onSelect ? selectWidth : 0)

  return (
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions -- the role is one of two
    <div
      ref={scroller}
      className={styles.table}
      role={depth ? 'treegrid' : 'grid'}
      aria-label={label}
      aria-rowcount={(total ?? rows.length) + 1}
      aria-colcount={columns.length + (onSelect ? 1 : 0)}
      aria-multiselectable={onSelect ? true : undefined}
      aria-activedescendant={active >= 0 && rows[active] ? `row-${rowKey(rows[active])}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div role="rowgroup" className={styles.head} style={{ minWidth: width }}>
        <div role="row" aria-rowindex={1} className={styles.headRow}>
          {onSelect && (
            <div role="columnheader" className={`${styles.th} ${styles.check}`}>
              <input
                type="checkbox"
                aria-label="Select all loaded rows"
                checked={allOn}
                ref={(box) => {
                  if (box) box.indeterminate = someOn && !allOn
                }}
                onChange={() => (allOn ? onSelect([...(selected ?? [])], false) : onSelect(rows.map(rowKey), true))}
              />
            </div>
          )}
          {columns.map((column, index) => (
            <HeadCell key={column.id} column={column} className={cellClass(column, index)} style={cellStyle(column, index, onSelect !== undefined)} sort={sort} onSort={onSort} />
          ))}
        </div>
      </div>
      {rows.length === 0 && empty}
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), minWidth: width, position: 'relative' }}>
        {items.map((item) => {
          const row = rows[item.index]
          if (row === undefined) return null
          const key = rowKey(row)
          const on = selected?.has(key) ?? false
          return (
            <DataRow
              key={key}
              id={key}
              row={row}
              index={item.index}
              columns={columns}
              start={item.start}
              height={rowHeight}
              checked={selected ? on : undefined}
              current={selected ? on : key === current}
              active={item.index === active}
              level={depth ? depth(row) + 1 : undefined}
              selectable={onSelect !== undefined}
              clickable={onOpen !== undefined || onSelect !== undefined}
              onPress={press}
            />
          )
        })}
      </div>
      {loadingMore && (
        <div className={styles.more} role="status">
          loading more…
        </div>
      )}
    </div>
  )
}

type RowProps<Row> = {
  id: string
  row: Row
  index: number
  columns: Column<Row>[]
  start: number
  height: number
  checked: boolean | undefined
  current: boolean
  active: boolean
  level: number | undefined
  selectable: boolean
  clickable: boolean
  onPress: (row: Row, index: number, range: boolean, box: boolean) => void
}

/** One row; drawn again only when something of it changes, so scrolling costs only the rows that appear. */
const DataRow = memo(function DataRow<Row>({ id, row, index, columns, start, height, checked, current, active, level, selectable, clickable, onPress }: RowProps<Row>) {
  return (
    // The grid itself handles the keyboard, by its active row.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <div
      id={`row-${id}`}
      role="row"
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-selected={current}
      aria-level={level}
      data-active={active || undefined}
      className={`${styles.row} ${clickable ? styles.clickable : ''}`}
      style={{ transform: `translateY(${start}px)`, height }}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest('a,button,input,[role=menu]')) onPress(row, index, event.shiftKey, false)
      }}
    >
      {selectable && (
        <div role="gridcell" className={`${styles.td} ${styles.check}`}>
          <input type="checkbox" tabIndex={-1} aria-label={`Select row ${index + 1}`} checked={checked} onChange={() => {}} onClick={(event) => onPress(row, index, event.shiftKey, true)} />
        </div>
      )}
      {columns.map((column, at) => (
        <div key={column.id} role="gridcell" className={`${styles.td} ${cellClass(column, at)}`} style={cellStyle(column, at, selectable)}>
          {column.cell(row, index)}
        </div>
      ))}
    </div>
  )
}) as <Row>(props: RowProps<Row>) => ReactNode

function HeadCell<Row>({ column, className, style, sort, onSort }: { column: Column<Row>; className: string; style: object; sort?: Sort; onSort?: (sort: Sort) => void }) {
  const { sortKey, title, hint } = column
  const sorted = sortKey !== undefined && sort?.key === sortKey
  const direction = sorted ? (sort.descending ? 'descending' : 'ascending') : undefined
  const words = hint ?? (typeof title === 'string' ? title : undefined)
  return (
    <div role="columnheader" aria-sort={direction} className={`${styles.th} ${className}`} style={style} title={words}>
      {sortKey !== undefined && onSort ? (
        <button type="button" tabIndex={-1} className={styles.sort} onClick={() => onSort({ key: sortKey, descending: sorted ? !sort.descending : column.numeric === true })}>
          <span className="truncate">{title}</span>
          {sorted && (sort.descending ? <ArrowDown /> : <ArrowUp />)}
        </button>
      ) : (
        <span className="truncate">{title || <span className="sr-only">{hint}</span>}</span>
      )}
    </div>
  )
}
