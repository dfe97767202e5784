/** Traces: one search over experiments, and one trace with its spans. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ApiError, request } from './client'
import { spanOf, tokensOf, type Json, type Span, type Tokens, type WireSpan } from './otlp'
import type { Experiment, Page } from './types'

const base = '/api/3.0/mlflow/traces'
/** The server allows 500; a hundred fill the screen and come at once. */
const pageSize = 100
/** How often a short list asks for newer traces. */
const livePollMs = 5000
/** Experiments per page when asking for all of them, and how many pages at most. */
const experimentPage = 1000
const experimentPagesMax = 20

export type TraceState = 'OK' | 'ERROR' | 'IN_PROGRESS' | 'STATE_UNSPECIFIED'

export type TraceInfo = {
  trace_id: string
  client_request_id?: string
  trace_location?: { type: string; mlflow_experiment?: { experiment_id: string } }
  request_time: string
  execution_duration?: string
  execution_duration_ms?: number
  state: TraceState
  trace_metadata?: Record<string, string>
  tags?: Record<string, string>
  request_preview?: string
  response_preview?: string
  assessments?: Assessment[]
}

export type Assessment = {
  assessment_id: string
  assessment_name: string
  span_id?: string
  source?: { source_type: string; source_id?: string }
  feedback?: { value?: Json; error?: { error_message?: string } }
  expectation?: { value?: Json }
  rationale?: string
  valid?: boolean
}

export type Trace = { info: TraceInfo; spans: Span[]; /** Why there are no spans, when the server has none to give. */ missing?: string }

export type TraceSearch = { experimentIds: string[]; filter?: string }

export const tracesQuery = ({ experimentIds, filter }: TraceSearch) =>
  infiniteQueryOptions({
    queryKey: ['traces', experimentIds, filter ?? ''],
    queryFn: ({ pageParam, signal }) =>
      request<Page<'traces', TraceInfo>>(`${base}/search`, {
        method: 'POST',
        body: {
          locations: experimentIds.map((experiment_id) => ({ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id } })),
          filter: filter || undefined,
          max_results: pageSize,
          order_by: ['timestamp_ms DESC'],
          page_token: pageParam,
        },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    // MLflow's own server gives a token with every full page, even the last: an empty page ends it.
    getNextPageParam: (last) => (last.traces?.length ? last.next_page_token || undefined : undefined),
    // A refetch asks again for every loaded page, so only a short list is watched; a filter that fails is not.
    refetchInterval: (query) => (query.state.status === 'success' && (query.state.data?.pages.length ?? 0) <= 2 ? livePollMs : false),
    retry: false,
  })

/** Every active experiment, by id: traces are searched per experiment. */
export const allExperimentsQuery = queryOptions({
  queryKey: ['experiments', 'all'],
  queryFn: async ({ signal }) => {
    const found: Experiment[] = []
    let token: string | undefined
    for (let page = 0; page < experimentPagesMax; page++) {
      const answer = await request<Page<'experiments', Experiment>>('/api/2.0/mlflow/experiments/search', { method: 'POST', body: { max_results: experimentPage, page_token: token }, signal })
      found.push(...(answer.experiments ?? []))
      token = answer.next_page_token || undefined
      if (!token) break
    }
    return found
  },
  staleTime: 10_000,
})

export const traceQuery = (id: string) =>
  queryOptions({
    queryKey: ['trace', id],
    queryFn: ({ signal }) => getTrace(id, signal),
    // A trace still being written gains spans.
    refetchInterval: (query) => (query.state.data?.info.state === 'IN_PROGRESS' ? livePollMs : false),
  })

async function getTrace(id: string, signal: AbortSignal): Promise<Trace> {
  try {
    const { trace } = await request<{ trace: { trace_info: TraceInfo; spans?: WireSpan[] } }>(`${base}/get`, { query: { trace_id: id, allow_partial: true }, signal })
    return { info: trace.trace_info, spans: (trace.spans ?? []).map(spanOf) }
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 404 || error.status === 0) throw error
    // Its spans may be kept elsewhere (older clients upload them as a file): what is known is shown.
    const { trace } = await request<{ trace: { trace_info: TraceInfo } }>(`${base}/${encodeURIComponent(id)}`, { signal }).catch(() => Promise.reject(error))
    return { info: trace.trace_info, spans: [], missing: error.message }
  }
}

/** Traces from a foreign exporter carry no name of their own; their first span has one. */
export const traceName = (info: TraceInfo): string | undefined => info.tags?.['mlflow.traceName'] || undefined
export const traceTime = (info: TraceInfo): number => Date.parse(info.request_time)
export const traceExperiment = (info: TraceInfo): string | undefined => info.trace_location?.mlflow_experiment?.experiment_id
export const traceRun = (info: TraceInfo): string | undefined => info.trace_metadata?.['mlflow.sourceRun']
export const traceSession = (info: TraceInfo): string | undefined => info.trace_metadata?.['mlflow.trace.session']

/** Protobuf writes durations as seconds (`"0.055s"`); older answers as milliseconds. */
export function traceDuration(info: TraceInfo): number | undefined {
  if (info.execution_duration_ms !== undefined) return Number(info.execution_duration_ms)
  const seconds = Number.parseFloat(info.execution_duration ?? '')
  return Number.isFinite(seconds) ? seconds * 1000 : undefined
}

export function traceTokens(info: TraceInfo): Tokens | undefined {
  const text = info.trace_metadata?.['mlflow.trace.tokenUsage']
  return text ? tokensOf(parsed(text)) : undefined
}

/** The model: said by the recorder, else found in what the call sent and got. */
export function traceModel(info: TraceInfo): string | undefined {
  const metadata = info.trace_metadata ?? {}
  const tags = info.tags ?? {}
  const said = tags['tidegate.model'] ?? metadata['tidegate.model'] ?? metadata['mlflow.llm.model'] ?? tags['mlflow.llm.model']
  if (said) return said
  const found = [metadata['mlflow.traceOutputs'], metadata['mlflow.traceInputs']].map((text) => /"model"\s*:\s*"([^"\\]+)"/.exec(text ?? '')?.[1])
  return found.find(Boolean)
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** The gateway endpoint a call went through, when it is a recorded call. */
export const traceEndpoint = (info: TraceInfo): string | undefined => info.trace_metadata?.['mlflow.gateway.endpointId']
