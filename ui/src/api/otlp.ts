/** Spans as the server sends them (OTLP JSON in snake_case) and as the pages read them. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type Fields = Record<string, Json>

export type SpanEvent = { name: string; atMs: number; attributes: Fields }
export type SpanStatus = 'ok' | 'error' | 'unset'

export type Span = {
  id: string
  parentId: string
  name: string
  /** `LLM`, `CHAT_MODEL`, `TOOL`, `AGENT`…; `UNKNOWN` when nobody said. */
  kind: string
  /** Milliseconds since the epoch, with fractions. */
  startMs: number
  /** Missing while the span still runs. */
  endMs: number | undefined
  status: SpanStatus
  statusMessage: string
  inputs: Json | undefined
  outputs: Json | undefined
  /** Everything that is not shown elsewhere. */
  attributes: Fields
  events: SpanEvent[]
  model: string | undefined
  tokens: Tokens | undefined
}

export type Tokens = { input: number; output: number; total: number }

type WireValue = {
  string_value?: string
  bool_value?: boolean
  int_value?: number | string
  double_value?: number | string
  bytes_value?: string
  array_value?: { values?: WireValue[] }
  kvlist_value?: { values?: WireField[] }
}
type WireField = { key: string; value?: WireValue }
export type WireSpan = {
  span_id: string
  parent_span_id?: string
  name: string
  start_time_unix_nano?: number | string
  end_time_unix_nano?: number | string
  attributes?: WireField[]
  events?: { name: string; time_unix_nano?: number | string; attributes?: WireField[] }[]
  status?: { code?: string | number; message?: string }
}

/** Attributes with a place of their own on the page. */
const SHOWN_ELSEWHERE = new Set(['mlflow.spanInputs', 'mlflow.spanOutputs', 'mlflow.spanType', 'mlflow.traceRequestId', 'mlflow.chat.tokenUsage', 'mlflow.spanLogLevel'])

export function spanOf(wire: WireSpan): Span {
  const fields = fieldsOf(wire.attributes)
  const attributes = Object.fromEntries(Object.entries(fields).filter(([key]) => !SHOWN_ELSEWHERE.has(key)))
  const end = millisecondsOf(wire.end_time_unix_nano)
  return {
    id: wire.span_id,
    parentId: wire.parent_span_id ?? '',
    name: wire.name,
    kind: textOf(fields['mlflow.spanType']) ?? 'UNKNOWN',
    startMs: millisecondsOf(wire.start_time_unix_nano) ?? 0,
    endMs: end,
    status: statusOf(wire.status?.code),
    statusMessage: wire.status?.message ?? '',
    inputs: fields['mlflow.spanInputs'],
    outputs: fields['mlflow.spanOutputs'],
    attributes,
    events: (wire.events ?? []).map((event) => ({ name: event.name, atMs: millisecondsOf(event.time_unix_nano) ?? 0, attributes: fieldsOf(event.attributes) })),
    model: modelOf(fields),
    tokens: tokensOf(fields['mlflow.chat.tokenUsage']) ?? tokensOf(pick(fields['mlflow.spanOutputs'], 'usage')),
  }
}

/** Token counts under any of the names vendors give them. */
export function tokensOf(usage: Json | undefined): Tokens | undefined {
  if (!isObject(usage)) return undefined
  const input = count(usage.input_tokens ?? usage.prompt_tokens)
  const output = count(usage.output_tokens ?? usage.completion_tokens)
  const total = count(usage.total_tokens)
  if (input === undefined && output === undefined && total === undefined) return undefined
  return { input: input ?? 0, output: output ?? 0, total: total ?? (input ?? 0) + (output ?? 0) }
}

export const isObject = (value: Json | undefined): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

const pick = (value: Json | undefined, key: string) => (isObject(value) ? value[key] : undefined)
const textOf = (value: Json | undefined) => (typeof value === 'string' && value !== '' ? value : undefined)
const count = (value: Json | undefined) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined)

const modelOf = (fields: Fields) =>
  textOf(fields['mlflow.llm.model']) ?? textOf(fields['gen_ai.response.model']) ?? textOf(fields['gen_ai.request.model']) ?? textOf(pick(fields['mlflow.spanOutputs'], 'model')) ?? textOf(pick(fields['mlflow.spanInputs'], 'model'))

function statusOf(code: string | number | undefined): SpanStatus {
  if (code === 'STATUS_CODE_OK' || code === 'OK' || code === 1) return 'ok'
  if (code === 'STATUS_CODE_ERROR' || code === 'ERROR' || code === 2) return 'error'
  return 'unset'
}

/** Nanoseconds lose their last digits in a JavaScript number, far below what a waterfall can show. */
function millisecondsOf(nanoseconds: number | string | undefined): number | undefined {
  const value = Number(nanoseconds ?? 0)
  return value > 0 ? value / 1e6 : undefined
}

const fieldsOf = (fields: WireField[] | undefined): Fields => Object.fromEntries((fields ?? []).map(({ key, value }) => [key, valueOf(value)]))

function valueOf(value: WireValue | undefined): Json {
  if (!value) return null
  if (value.string_value !== undefined) return parsedOf(value.string_value)
  if (value.bool_value !== undefined) return value.bool_value
  if (value.int_value !== undefined) return Number(value.int_value)
  if (value.double_value !== undefined) return typeof value.double_value === 'string' && Number.isNaN(Number(value.double_value)) ? value.double_value : Number(value.double_value)
  if (value.array_value) return (value.array_value.values ?? []).map(valueOf)
  if (value.kvlist_value) return fieldsOf(value.kvlist_value.values)
  return value.bytes_value ?? null
}

/** Some writers store attributes as JSON text (MLflow's own database does): read what clearly is JSON. */
function parsedOf(text: string): Json {
  if (!/^\s*[[{"]/.test(text)) return text
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}
