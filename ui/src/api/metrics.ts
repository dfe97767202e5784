/** Metric histories, thinned by the server for charts. */
import { queryOptions } from '@tanstack/react-query'
import { ApiError, request } from './client'
import { livePollMs } from './runs'
import type { Metric } from './types'

const base = '/api/2.0/mlflow/metrics'
/** More points than a chart has pixels. */
const pointsPerRun = 1500
/** The server's own limit of runs in one bulk request. */
const runsPerRequest = 100
/** The fallback reads whole histories; this many at a time spare the server. */
const parallel = 6

export type Point = { step: number; timestamp: number; value: number }

async function bulk(runIds: string[], key: string, signal?: AbortSignal): Promise<Metric[]> {
  const answer = await request<{ metrics?: Metric[] }>(`${base}/get-history-bulk-interval`, { query: { run_ids: runIds, metric_key: key, max_results: pointsPerRun }, signal })
  return answer.metrics ?? []
}

async function oneByOne(runIds: string[], key: string, signal?: AbortSignal): Promise<Metric[]> {
  const found: Metric[] = []
  const waiting = [...runIds]
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (let id = waiting.pop(); id; id = waiting.pop()) {
        const runId = id
        const answer = await request<{ metrics?: Metric[] }>(`${base}/get-history`, { query: { run_id: runId, metric_key: key }, signal })
        for (const metric of answer.metrics ?? []) found.push({ ...metric, run_id: runId })
      }
    }),
  )
  return found
}

/** Whether the server thins histories itself; learned from its first answer. */
let hasBulk = true

async function histories(runIds: string[], key: string, signal?: AbortSignal): Promise<Map<string, Point[]>> {
  const found = new Map<string, Point[]>(runIds.map((id) => [id, []]))
  for (let at = 0; at < runIds.length; at += runsPerRequest) {
    const ids = runIds.slice(at, at + runsPerRequest)
    let metrics: Metric[]
    try {
      metrics = hasBulk ? await bulk(ids, key, signal) : await oneByOne(ids, key, signal)
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 405 && error.status !== 501)) throw error
      hasBulk = false
      metrics = await oneByOne(ids, key, signal)
    }
    for (const metric of metrics) found.get(metric.run_id ?? '')?.push({ step: Number(metric.step), timestamp: Number(metric.timestamp), value: metric.value })
  }
  for (const points of found.values()) points.sort((a, b) => a.step - b.step || a.timestamp - b.timestamp)
  return found
}

/** One metric of several runs; asked again while any of them is running. */
export const historiesQuery = (runIds: string[], key: string, live: boolean) =>
  queryOptions({
    // A run that ends is asked once more: its last points came after the last look.
    queryKey: ['history', key, runIds, live],
    queryFn: ({ signal }) => histories(runIds, key, signal),
    placeholderData: (previous) => previous,
    refetchInterval: live ? livePollMs : false,
    staleTime: live ? 0 : 60_000,
  })
