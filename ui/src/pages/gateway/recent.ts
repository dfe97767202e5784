/** What the latest recorded calls say about each endpoint. */
import { traceDuration, traceEndpoint, traceTime, type TraceInfo } from '../../api/traces'

export type Recent = { calls: number; errors: number; medianMs: number | undefined; p95Ms: number | undefined; /** Oldest first, for a sparkline. */ latenciesMs: number[]; lastMs: number | undefined }

export function recentOf(traces: TraceInfo[], endpoint: string): Recent {
  const own = traces.filter((trace) => traceEndpoint(trace) === endpoint)
  const latenciesMs = own.toReversed().flatMap((trace) => traceDuration(trace) ?? [])
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  return { calls: own.length, errors: own.filter((trace) => trace.state === 'ERROR').length, medianMs: quantile(sorted, 0.5), p95Ms: quantile(sorted, 0.95), latenciesMs, lastMs: own[0] && traceTime(own[0]) }
}

/** The smallest value that at least this share of the values does not exceed. */
function quantile(sorted: number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}
