/** The gateway: its endpoints, and calls through them. */
import { queryOptions } from '@tanstack/react-query'
import { ApiError, request, send } from './client'
import { streamJson } from './stream'

export type EndpointType = 'llm/v1/chat' | 'llm/v1/completions' | 'llm/v1/embeddings'
export type Limit = { calls: number; renewal_period: string; key?: string | null }
export type Endpoint = { name: string; endpoint_type: EndpointType; model: { name: string; provider: string }; endpoint_url?: string; limit?: Limit | null }

/** More pages than any sane configuration has endpoints. */
const pagesMax = 20

export const endpointsQuery = queryOptions({
  queryKey: ['endpoints'],
  queryFn: async ({ signal }) => {
    const found: Endpoint[] = []
    let token: string | undefined
    for (let page = 0; page < pagesMax; page++) {
      const answer = await request<{ endpoints?: Endpoint[]; next_page_token?: string | null }>('/api/2.0/endpoints/', { query: { page_token: token }, signal }).catch(noGateway)
      found.push(...(answer.endpoints ?? []))
      token = answer.next_page_token || undefined
      if (!token) break
    }
    return found
  },
  staleTime: 10_000,
})

/** A server without a gateway has no such address: it offers no endpoint, which is no failure. */
function noGateway(error: unknown): { endpoints: Endpoint[]; next_page_token?: undefined } {
  if (error instanceof ApiError && error.status === 404) return { endpoints: [] }
  throw error
}

/** What talks: endpoints a prompt can be sent to. */
export const isTalker = (endpoint: Endpoint): boolean => endpoint.endpoint_type !== 'llm/v1/embeddings'

export const kindWord: Record<EndpointType, string> = { 'llm/v1/chat': 'chat', 'llm/v1/completions': 'completions', 'llm/v1/embeddings': 'embeddings' }

export type ChatTurn = { role: 'system' | 'user' | 'assistant'; content: string }
export type Usage = { prompt_tokens?: number; completion_tokens?: number; total_tokens?: number }

/** What one call says and where it is sent: shared by the stream, curl and Python. */
export type Call = { path: string; body: Record<string, unknown> }

export type Settings = { temperature?: number; maxTokens?: number }

export function callOf(endpoint: Pick<Endpoint, 'name' | 'endpoint_type'>, turns: ChatTurn[], { temperature, maxTokens }: Settings): Call {
  const settings = { ...(temperature === undefined ? {} : { temperature }), ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }) }
  if (endpoint.endpoint_type === 'llm/v1/completions') return { path: '/v1/completions', body: { model: endpoint.name, prompt: turns.map((turn) => turn.content).join('\n\n'), ...settings } }
  return { path: '/v1/chat/completions', body: { model: endpoint.name, messages: turns, ...settings } }
}

export type Piece = { text: string; finish?: string; usage?: Usage }

/** The gateway's name for a call: its trace carries the same. */
const requestIdHeader = 'x-request-id'
type Chunk = { choices?: { delta?: { content?: string | null; reasoning_content?: string | null }; text?: string; finish_reason?: string | null }[]; usage?: Usage | null }

/** The answer's pieces as they come; the last ones carry why it ended and what it used. */
export async function* streamCall(call: Call, signal: AbortSignal, onOpen: (requestId: string | null) => void = () => {}): AsyncGenerator<Piece> {
  for await (const chunk of streamJson<Chunk>(call.path, { ...call.body, stream: true, stream_options: { include_usage: true } }, signal, (headers) => onOpen(headers.get(requestIdHeader)))) {
    const choice = chunk.choices?.[0]
    yield { text: choice?.delta?.content ?? choice?.text ?? '', ...(choice?.finish_reason ? { finish: choice.finish_reason } : {}), ...(chunk.usage ? { usage: chunk.usage } : {}) }
  }
}

export type TestAnswer = { ms: number; text: string; usage?: Usage; raw: string }

/** The body of one small call to an endpoint's own address. */
export const testBody = (endpoint: Endpoint, text: string): Record<string, unknown> =>
  ({ 'llm/v1/chat': { messages: [{ role: 'user', content: text }], max_tokens: 64 }, 'llm/v1/completions': { prompt: text, max_tokens: 64 }, 'llm/v1/embeddings': { input: text } })[endpoint.endpoint_type]

export const invocationsPath = (name: string): string => `/endpoints/${encodeURIComponent(name)}/invocations`

export async function testEndpoint(endpoint: Endpoint, text: string, signal?: AbortSignal): Promise<TestAnswer> {
  const started = performance.now()
  const response = await send(invocationsPath(endpoint.name), { method: 'POST', body: testBody(endpoint, text), signal })
  const answer = (await response.json()) as { choices?: { message?: { content?: string }; text?: string }[]; data?: { embedding?: number[] }[]; usage?: Usage }
  const ms = performance.now() - started
  const vector = answer.data?.[0]?.embedding
  const said = vector ? `${vector.length} dimensions: ${vector.slice(0, 6).map((it) => it.toFixed(4)).join(', ')}…` : (answer.choices?.[0]?.message?.content ?? answer.choices?.[0]?.text ?? '')
  return { ms, text: said, ...(answer.usage ? { usage: answer.usage } : {}), raw: JSON.stringify(vector ? { ...answer, data: `${answer.data?.length} embeddings` } : answer, null, 2) }
}
