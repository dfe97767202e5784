import { afterEach, describe, expect, test, vi } from 'vitest'
import { callOf } from '../../api/gateway'
import { generate, tokensPerSecond, type Generation } from './generation'

afterEach(() => void vi.unstubAllGlobals())

const call = callOf({ name: 'e', endpoint_type: 'llm/v1/chat' }, [{ role: 'user', content: 'Hi' }], { maxTokens: 8 })
const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const piece = (content: string) => event({ choices: [{ delta: { content } }] })

/** A clock that moves ten milliseconds each time it is read. */
const clock = () => {
  let ms = 0
  return () => (ms += 10)
}

const answer = (text: string, status = 200) => {
  const fetched = vi.fn(() => Promise.resolve(new Response(text, { status })))
  vi.stubGlobal('fetch', fetched)
  return fetched
}

test('a stream becomes text, a time to the first token, counts and a reason', async () => {
  const fetched = answer(event({ choices: [{ delta: { role: 'assistant', content: '' } }] }) + piece('Hel') + piece('lo') + event({ choices: [{ delta: {}, finish_reason: 'stop' }] }) + event({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 3 } }) + 'data: [DONE]\n\n')
  const states: Generation[] = []
  const last = await generate('e', call, new AbortController().signal, (it) => states.push(it), clock())
  expect(last).toMatchObject({ state: 'done', text: 'Hello', pieces: 2, finish: 'stop', usage: { prompt_tokens: 5, completion_tokens: 3 }, ttftMs: 20, durationMs: 60 })
  expect(states.map((it) => `${it.state} ${it.text}`)).toEqual(['waiting ', 'waiting ', 'streaming Hel', 'streaming Hello', 'streaming Hello', 'streaming Hello', 'done Hello'])
  const [path, { body }] = fetched.mock.calls[0] as unknown as [string, { body: string }]
  expect([path, JSON.parse(body)]).toEqual(['/v1/chat/completions', { model: 'e', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 8, stream: true, stream_options: { include_usage: true } }])
})

test('an error in the middle keeps what was said', async () => {
  answer(piece('Hel') + event({ error: { message: 'upstream closed the connection' } }))
  expect(await generate('e', call, new AbortController().signal, () => {}, clock())).toMatchObject({ state: 'failed', text: 'Hel', error: 'upstream closed the connection' })
})

test('stopping hangs up and keeps what was said', async () => {
  const stop = new AbortController()
  vi.stubGlobal('fetch', (_: string, { signal }: { signal: AbortSignal }) => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(piece('Hel')))
        signal.addEventListener('abort', () => controller.error(new DOMException('aborted', 'AbortError')))
      },
    })
    return Promise.resolve(new Response(body))
  })
  const last = await generate('e', call, stop.signal, (it) => it.text && stop.abort(), clock())
  expect(last).toMatchObject({ state: 'stopped', text: 'Hel' })
  expect(last.error).toBeUndefined()
})

describe('tokens per second', () => {
  const done: Generation = { state: 'done', endpoint: 'e', call, text: '', pieces: 11, elapsedMs: 700, ttftMs: 200, durationMs: 700 }
  test('counts what came after the first token', () => expect(tokensPerSecond(done)).toBe(20))
  test('prefers the endpoint’s own count', () => expect(tokensPerSecond({ ...done, usage: { completion_tokens: 51 } })).toBe(100))
  test('is unknown before the second token', () => {
    expect(tokensPerSecond({ ...done, pieces: 1 })).toBeUndefined()
    expect(tokensPerSecond({ ...done, ttftMs: undefined } as unknown as Generation)).toBeUndefined()
  })
})
