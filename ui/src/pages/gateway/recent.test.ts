import { expect, test } from 'vitest'
import type { TraceInfo } from '../../api/traces'
import { recentOf } from './recent'

const trace = (endpoint: string, seconds: number, state: TraceInfo['state'] = 'OK', minute = 0): TraceInfo => ({ trace_id: 't', request_time: `2026-01-01T00:0${minute}:00Z`, execution_duration: `${seconds}s`, state, trace_metadata: { 'mlflow.gateway.endpointId': endpoint } })

test('counts, quantiles and order are of the endpoint’s own calls', () => {
  const traces = [trace('a', 0.4, 'OK', 5), trace('b', 9), trace('a', 0.1, 'ERROR', 4), trace('a', 0.3, 'OK', 3), trace('a', 0.2, 'OK', 2)]
  expect(recentOf(traces, 'a')).toEqual({ calls: 4, errors: 1, medianMs: 200, p95Ms: 400, latenciesMs: [200, 300, 100, 400], lastMs: Date.parse('2026-01-01T00:05:00Z') })
  expect(recentOf(traces, 'c')).toEqual({ calls: 0, errors: 0, medianMs: undefined, p95Ms: undefined, latenciesMs: [], lastMs: undefined })
})
