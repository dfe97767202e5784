import { afterEach, describe, expect, test, vi } from 'vitest'
import { EventDecoder, readEvents, streamJson, type ServerEvent } from './stream'

const check = (name: string, pieces: string[], expected: ServerEvent[]) =>
  test(name, () => {
    const decoder = new EventDecoder()
    expect(pieces.flatMap((piece) => decoder.push(piece))).toEqual(expected)
  })

describe('the event decoder', () => {
  check('one event', ['data: hi\n\n'], [{ event: 'message', data: 'hi' }])
  check('cut in the middle of a line', ['da', 'ta: h', 'i\n', '\n'], [{ event: 'message', data: 'hi' }])
  check('carriage returns, and one cut between \\r and \\n', ['data: a\r', '\n\r\n', 'data: b\r\rx'], [{ event: 'message', data: 'a' }, { event: 'message', data: 'b' }])
  check('several data lines join by newline', ['data: a\ndata:b\ndata:  c\n\n'], [{ event: 'message', data: 'a\nb\n c' }])
  check('named events, comments and unknown fields', [': ping\nid: 7\nevent: error\ndata: {}\n\n'], [{ event: 'error', data: '{}' }])
  check('a name without data is no event and does not leak into the next', ['event: x\n\ndata: y\n\n'], [{ event: 'message', data: 'y' }])
  check('an unfinished event stays unsaid', ['data: a'], [])
})

const bodyOf = (pieces: Uint8Array[], onCancel = () => {}) =>
  new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = pieces.shift()
      if (next) controller.enqueue(next)
      else controller.close()
    },
    cancel: onCancel,
  })

const collect = async (body: ReadableStream<Uint8Array>) => {
  const data: string[] = []
  for await (const event of readEvents(body)) data.push(event.data)
  return data
}

test('letters cut across chunks survive', async () => {
  const bytes = new TextEncoder().encode('data: Grüße 🌊\n\n')
  const pieces = Array.from(bytes, (byte) => Uint8Array.of(byte))
  expect(await collect(bodyOf(pieces))).toEqual(['Grüße 🌊'])
})

test('a body without the last blank line still gives its last event', async () => {
  expect(await collect(bodyOf([new TextEncoder().encode('data: a\n\ndata: [DONE]')]))).toEqual(['a', '[DONE]'])
})

test('stopping early hangs up', async () => {
  let hungUp = false
  const endless = Array.from({ length: 1000 }, () => new TextEncoder().encode('data: x\n\n'))
  for await (const event of readEvents(bodyOf(endless, () => (hungUp = true)))) {
    expect(event.data).toBe('x')
    break
  }
  expect(hungUp).toBe(true)
})

describe('streamed JSON', () => {
  afterEach(() => void vi.unstubAllGlobals())

  const answer = (text: string, status = 200) => vi.stubGlobal('fetch', () => Promise.resolve(new Response(text, { status })))
  const values = async () => {
    const found: unknown[] = []
    for await (const value of streamJson('/v1/chat/completions', {}, new AbortController().signal)) found.push(value)
    return found
  }

  test('ends at [DONE]', async () => {
    answer('data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\ndata: {"n":3}\n\n')
    expect(await values()).toEqual([{ n: 1 }, { n: 2 }])
  })

  test.each([
    ['an error in the middle of a stream', 'data: {"n":1}\n\ndata: {"error":{"message":"the model ran out of memory","type":"server_error"}}\n\n', 200, 'the model ran out of memory'],
    ['a refusal before the stream', '{"error":{"message":"no endpoint `x`"}}', 404, 'no endpoint `x`'],
    ['something that is not JSON', 'data: oops\n\n', 200, 'the stream carries something that is not JSON: oops'],
  ])('%s is thrown with its words', async (_, text, status, message) => {
    answer(text, status)
    await expect(values()).rejects.toThrow(message)
  })
})
