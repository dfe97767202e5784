/** Runs: queries and changes. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { request } from './client'
import type { Page, Run, ViewType } from './types'

const base = '/api/2.0/mlflow/runs'
/** Rows per page of the runs table; more arrive as one scrolls. */
export const runsPageSize = 200
/** How often something still running is asked again. */
export const livePollMs = 3000

export type RunsSearch = { experimentIds: string[]; filter?: string; orderBy?: string; view?: ViewType; pageSize?: number }

const searchRuns = ({ experimentIds, filter, orderBy, view = 'ACTIVE_ONLY', pageSize = runsPageSize }: RunsSearch, pageToken?: string, signal?: AbortSignal) =>
  request<Page<'runs', Run>>(`${base}/search`, {
    method: 'POST',
    body: { experiment_ids: experimentIds, filter: filter || undefined, run_view_type: view, max_results: pageSize, order_by: orderBy ? [orderBy] : undefined, page_token: pageToken },
    signal,
  })

export const isRunning = (run: Run): boolean => run.info.status === 'RUNNING' || run.info.status === 'SCHEDULED'

export const runsQuery = (search: RunsSearch) =>
  infiniteQueryOptions({
    queryKey: ['runs', search],
    queryFn: ({ pageParam, signal }) => searchRuns(search, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_page_token || undefined,
    // A refetch asks again for every page that is loaded, so only short lists are watched.
    refetchInterval: (query) => {
      const pages = query.state.data?.pages
      if (!pages || pages.length > 2) return false
      return pages.some((page) => !page.runs?.length || page.runs.some(isRunning)) ? livePollMs : livePollMs * 5
    },
  })

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ['run', id],
    queryFn: ({ signal }) => request<{ run: Run }>(`${base}/get`, { query: { run_id: id }, signal }).then((it) => it.run),
    refetchInterval: (query) => (query.state.data && isRunning(query.state.data) ? livePollMs : false),
  })

/** The runs that name this one as their parent. */
export const childRunsQuery = (experimentId: string, parentId: string) =>
  queryOptions({
    queryKey: ['runs', 'children', parentId],
    queryFn: ({ signal }) => searchRuns({ experimentIds: [experimentId], filter: `tags."mlflow.parentRunId" = '${parentId}'`, orderBy: 'attributes.start_time ASC', pageSize: 500 }, undefined, signal).then((page) => page.runs ?? []),
  })

const post = (action: string, body: unknown) => request(`${base}/${action}`, { method: 'POST', body })

export const deleteRun = (id: string) => post('delete', { run_id: id })
export const restoreRun = (id: string) => post('restore', { run_id: id })
export const renameRun = (id: string, name: string) => post('update', { run_id: id, run_name: name })
export const setRunTag = (id: string, key: string, value: string) => post('set-tag', { run_id: id, key, value })
export const deleteRunTag = (id: string, key: string) => post('delete-tag', { run_id: id, key })

/** Tables ask for the same run's values once per cell; each map is made once per answer of the server. */
function perRun<T>(make: (run: Run) => T): (run: Run) => T {
  const made = new WeakMap<Run, T>()
  return (run) => {
    const known = made.get(run)
    if (known !== undefined) return known
    const value = make(run)
    made.set(run, value)
    return value
  }
}

export const metricsOf = perRun((run) => new Map(run.data?.metrics?.map((metric) => [metric.key, metric.value])))
export const paramsOf = perRun((run) => new Map(run.data?.params?.map((param) => [param.key, param.value])))
export const tagsOf = perRun((run) => new Map(run.data?.tags?.map((tag) => [tag.key, tag.value])))
export const nameOf = (run: Run): string => run.info.run_name || tagsOf(run).get('mlflow.runName') || run.info.run_id.slice(0, 8)
export const durationOf = (run: Run, now = Date.now()): number | undefined => {
  const { start_time: start, end_time: end } = run.info
  if (!start) return undefined
  if (end) return end - start
  return isRunning(run) ? Math.max(0, now - start) : undefined
}
