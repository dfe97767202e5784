/** One trace: the span tree and waterfall on the left, the chosen span on the right. */
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { ChevronDown, ChevronUp, FlaskConical, Search } from 'lucide-react'
import { useMemo, useState } from 'react'
import { traceDuration, traceModel, traceName, traceQuery, traceTime, traceTokens, type Trace } from '../../api/traces'
import { buttonClass, IconButton } from '../../components/Button'
import { Empty, Failure, Loading } from '../../components/Empty'
import { Id } from '../../components/Id'
import { Page } from '../../components/Page'
import { Split } from '../../components/Split'
import { State } from '../../components/Status'
import { Waterfall } from '../../components/Waterfall'
import { formatAge, formatDuration, formatNumber, formatTime, shortId } from '../../lib/format'
import { useKeys } from '../../lib/keys'
import { neighbours } from '../traces/order'
import { messagesIn } from './messages'
import { SpanDetails } from './SpanDetails'
import { TraceFacts } from './TraceFacts'
import styles from './TracePage.module.css'
import { firstError, layout, type SpanRow } from './tree'

export function TracePage() {
  const { id } = useParams({ from: '/traces/$id' })
  const { span } = useSearch({ from: '/traces/$id' })
  const navigate = useNavigate()
  const trace = useQuery(traceQuery(id))
  const { newer, older, place } = neighbours(id)
  const go = (to: string | undefined) => to && void navigate({ to: '/traces/$id', params: { id: to } })
  useKeys({ j: () => go(older), k: () => go(newer) })

  const info = trace.data?.info
  const name = (info && traceName(info)) ?? trace.data?.spans.find((it) => it.parentId === '')?.name ?? shortId(id)
  const tokens = info && traceTokens(info)
  return (
    <Page
      documentTitle={info ? `${name} ${shortId(id)}` : 'Trace'}
      crumbs={[<Link key="traces" to="/traces">Traces</Link>]}
      title={name}
      meta={
        info && (
          <>
            <Id value={info.trace_id} label="trace id" />
            <State value={info.state} />
            <span className="num">{formatDuration(traceDuration(info))}</span>
            {tokens && <span className="num">{formatNumber(tokens.total)} tokens</span>}
            {traceModel(info) && <span className="num">{traceModel(info)}</span>}
            <span title={formatTime(traceTime(info))}>{formatAge(traceTime(info))}</span>
          </>
        )
      }
      actions={
        place && (
          <>
            <span className="faint num" style={{ alignSelf: 'center' }}>
              {place}
            </span>
            <IconButton label="Newer trace (k)" icon={<ChevronUp />} disabled={!newer} onClick={() => go(newer)} />
            <IconButton label="Older trace (j)" icon={<ChevronDown />} disabled={!older} onClick={() => go(older)} />
          </>
        )
      }
    >
      {trace.isPending && <Loading />}
      {trace.isError && <Failure error={trace.error} what={`trace ${shortId(id)}`} onRetry={() => void trace.refetch()} />}
      {trace.data && (trace.data.spans.length > 0 ? <Spans key={id} trace={trace.data} wanted={span} onWant={(next) => void navigate({ to: '/traces/$id', params: { id }, search: { span: next }, replace: true })} /> : <NoSpans trace={trace.data} />)}
    </Page>
  )
}

function Spans({ trace, wanted, onWant }: { trace: Trace; wanted: string | undefined; onWant: (id: string) => void }) {
  const tree = useMemo(() => layout(trace.spans), [trace.spans])
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set())
  const [query, setQuery] = useState('')
  const found = useMemo(() => matches(tree.rows, query), [tree, query])

  // Opens on what failed; otherwise on the call as a whole.
  const row = tree.rows.find((it) => it.span.id === wanted) ?? tree.rows.find((it) => it.span.id === firstError(tree.rows)?.id) ?? tree.rows[0]
  if (!row) return null
  const fold = (id: string, closed: boolean) =>
    setFolded((old) => {
      const next = new Set(old)
      if (closed) next.add(id)
      else next.delete(id)
      return next
    })
  // A folded parent would hide the span that is shown on the right.
  const open = ancestors(tree.rows, row).some((id) => folded.has(id)) ? new Set([...folded].filter((id) => !ancestors(tree.rows, row).includes(id))) : folded
  const playable = [row, ...tree.rows].find((it) => messagesIn(it.span.inputs).length > 0)
  return (
    <Split
      id="trace"
      label="Width of the span table"
      initial={54}
      left={
      <div className={styles.spans}>
        <div className={styles.tools}>
          <label className={styles.search}>
            <Search aria-hidden />
            <input
              data-filter
              value={query}
              placeholder={`Search in ${tree.rows.length} span${tree.rows.length === 1 ? '' : 's'}`}
              aria-label="Search in spans"
              onChange={(event) => setQuery(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === 'Escape') {
                  setQuery('')
                  event.currentTarget.blur()
                }
                const first = tree.rows.find((it) => found?.has(it.span.id))
                if (event.key === 'Enter' && first) onWant(first.span.id)
              }}
            />
            {query ? <span className="faint num">{found?.size ?? 0}</span> : <kbd>/</kbd>}
          </label>
          {playable && (
            <Link className={buttonClass()} to="/playground" search={{ trace: trace.info.trace_id, span: playable.span.id }}>
              <FlaskConical aria-hidden /> Open in playground
            </Link>
          )}
        </div>
        <Waterfall tree={tree} selected={row.span.id} onSelect={onWant} folded={open} onFold={fold} {...(found ? { found } : {})} />
        <div className={styles.legend}>
          <i /> on the critical path <i data-off /> not waited for
          <span className="grow" />
          <span className={styles.hints}>
            <kbd>↑</kbd> <kbd>↓</kbd> spans <kbd>←</kbd> <kbd>→</kbd> fold <kbd>j</kbd> <kbd>k</kbd> traces
          </span>
        </div>
      </div>
      }
      right={<SpanDetails row={row} info={trace.info} traceStartMs={tree.startMs} />}
    />
  )
}

function NoSpans({ trace }: { trace: Trace }) {
  return (
    <div className={styles.alone}>
      <Empty title="No spans here" text={trace.missing ? `The server has no spans for this trace: ${trace.missing}` : 'Only the outline of this trace is known; its spans were never sent, or have not arrived yet.'}>
        <TraceFacts info={trace.info} />
      </Empty>
    </div>
  )
}

/** Spans whose name, kind, model, inputs, outputs or attributes contain the text. */
function matches(rows: SpanRow[], query: string): ReadonlySet<string> | undefined {
  const text = query.trim().toLowerCase()
  if (!text) return undefined
  const says = ({ span }: SpanRow) => [span.name, span.kind, span.model, span.statusMessage, JSON.stringify([span.inputs, span.outputs, span.attributes, span.events])].join('\n').toLowerCase().includes(text)
  return new Set(rows.filter(says).map((row) => row.span.id))
}

function ancestors(rows: SpanRow[], row: SpanRow): string[] {
  const ids: string[] = []
  for (let parent = rows[row.parent]; parent; parent = rows[parent.parent]) ids.push(parent.span.id)
  return ids
}
