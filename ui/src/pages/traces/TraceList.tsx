/** Traces as a virtual table with a filter: the traces page, an experiment's and a run's traces tab. */
import { useInfiniteQuery, keepPreviousData } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo, type ReactNode } from 'react'
import { traceDuration, tracesQuery, traceTokens, type TraceInfo } from '../../api/traces'
import { DataTable } from '../../components/DataTable'
import { Failure, Loading } from '../../components/Empty'
import { Foot } from '../../components/Page'
import { count, formatDuration, formatNumber } from '../../lib/format'
import { columnsOf } from './columns'
import { rememberOrder } from './order'
import { TraceFilter } from './TraceFilter'
import styles from './TraceList.module.css'

type Props = {
  experimentIds: string[]
  filter: string | undefined
  onFilter: (filter: string | undefined) => void
  /** A condition that always holds here, such as the run. */
  within?: string
  /** Names to show beside traces of several experiments. */
  experimentNames?: Map<string, string>
  empty: ReactNode
}

export function TraceList({ experimentIds, filter, onFilter, within, experimentNames, empty }: Props) {
  const navigate = useNavigate()
  const asked = [within, filter].filter(Boolean).join(' AND ') || undefined
  const traces = useInfiniteQuery({ ...tracesQuery({ experimentIds, ...(asked ? { filter: asked } : {}) }), placeholderData: keepPreviousData, enabled: experimentIds.length > 0 })
  const rows = useMemo(() => traces.data?.pages.flatMap((page) => page.traces ?? []) ?? [], [traces.data])
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = traces
  useEffect(() => rememberOrder(rows.map((trace) => trace.trace_id)), [rows])
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage()
  }, [hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage])

  const columns = useMemo(() => columnsOf(experimentNames), [experimentNames])
  const open = (trace: TraceInfo) => void navigate({ to: '/traces/$id', params: { id: trace.trace_id } })
  // A filter the server refuses belongs under the filter; anything else is the page's trouble.
  const refused = traces.isError && filter !== undefined && rows.length === 0
  return (
    <div className={styles.list}>
      <TraceFilter value={filter} onChange={onFilter} error={refused ? traces.error : undefined} busy={traces.isFetching && !traces.isRefetching} />
      {traces.isPending && experimentIds.length > 0 && <Loading lines={10} />}
      {traces.isError && !refused && <Failure error={traces.error} what="traces" onRetry={() => void traces.refetch()} />}
      {experimentIds.length === 0 && empty}
      {traces.isSuccess && (rows.length > 0 || filter ? <DataTable label="Traces" rows={rows} columns={columns} rowKey={(trace) => trace.trace_id} onOpen={open} onEnd={more} loadingMore={isFetchingNextPage} empty={<p className={styles.none}>No trace matches this filter.</p>} /> : empty)}
      {traces.isSuccess && rows.length > 0 && (
        <Foot>
          <span>
            {count(rows.length, 'trace')}
            {hasNextPage ? ' loaded, more as you scroll' : ''}
          </span>
          <Summary rows={rows} />
          <span className="grow" />
          <span>
            <kbd>↵</kbd> open <kbd>/</kbd> filter
          </span>
        </Foot>
      )}
    </div>
  )
}

/** The middle latency and the errors of what is loaded. */
function Summary({ rows }: { rows: TraceInfo[] }) {
  const durations = rows.map(traceDuration).filter((it): it is number => it !== undefined).toSorted((a, b) => a - b)
  const errors = rows.filter((trace) => trace.state === 'ERROR').length
  const tokens = rows.reduce((sum, trace) => sum + (traceTokens(trace)?.total ?? 0), 0)
  return (
    <>
      {durations.length > 0 && <span title="Half of the loaded traces were faster">median {formatDuration(durations[Math.floor(durations.length / 2)])}</span>}
      {tokens > 0 && <span>{formatNumber(tokens)} tokens</span>}
      {errors > 0 && <span className={styles.errors}>{count(errors, 'error')}</span>}
    </>
  )
}
