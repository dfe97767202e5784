/** One door to the server: JSON requests, and both error shapes (MLflow's and OpenAI's) as one `ApiError`. */
import { prefix, serverUrl } from '../lib/base'

/** What the server said went wrong; `message` is written for people. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export type Query = Record<string, string | number | boolean | string[] | undefined>
export type Options = { method?: string; query?: Query; body?: unknown; signal?: AbortSignal }

export function withQuery(path: string, query: Query = {}): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const item of value) params.append(key, item)
    else if (value !== undefined) params.append(key, String(value))
  }
  const text = params.toString()
  return text ? `${path}?${text}` : path
}

/** Sends one request and hands back the response, or throws an `ApiError`. */
export async function send(path: string, { method = 'GET', query, body, signal }: Options = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(prefix + withQuery(path, query), {
      method,
      signal,
      headers: body === undefined ? undefined : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, 'UNREACHABLE', `the server at ${serverUrl} does not answer; check that it is running`)
  }
  if (!response.ok) throw await readError(response)
  return response
}

export async function request<T>(path: string, options: Options = {}): Promise<T> {
  const response = await send(path, options)
  const text = await response.text()
  if (text === '') return {} as T
  try {
    return parseJson(text) as T
  } catch {
    throw new ApiError(response.status, 'BAD_RESPONSE', `${path} answered with something that is not JSON: ${text.slice(0, 120)}`)
  }
}

/** MLflow's Python server writes bare NaN and Infinity, which JSON does not know. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const repaired = text.replace(/("(?:[^"\\]|\\.)*")|-?\b(?:NaN|Infinity)\b/g, (match, string: string | undefined) => string ?? (match === 'NaN' ? 'null' : match.startsWith('-') ? '-1.7976931348623157e308' : '1.7976931348623157e308'))
    if (repaired === text) throw error
    return JSON.parse(repaired)
  }
}

export async function readError(response: Response): Promise<ApiError> {
  const text = await response.text()
  const fallback = `${response.status} ${response.statusText || 'error'}`
  try {
    const body = JSON.parse(text) as { error_code?: string; message?: string; detail?: unknown; error?: string | { message?: string; code?: string; type?: string } }
    if (typeof body.error === 'object' && body.error !== null) return new ApiError(response.status, body.error.code ?? body.error.type ?? '', body.error.message ?? fallback)
    const detail = typeof body.detail === 'string' ? body.detail : undefined
    return new ApiError(response.status, body.error_code ?? '', body.message ?? detail ?? (typeof body.error === 'string' ? body.error : fallback))
  } catch {
    return new ApiError(response.status, '', text && !text.trimStart().startsWith('<') ? text.slice(0, 300) : fallback)
  }
}

/** Words for any thrown thing. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
