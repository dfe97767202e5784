/** Server-sent events from a POST, which the browser's EventSource cannot do, however the network cuts the bytes. */
import { ApiError, send } from './client'

export type ServerEvent = { event: string; data: string }

/** A single event larger than this is a broken or hostile upstream, not an answer. */
const eventCharactersMax = 16 * 1024 * 1024

/** POSTs `body` and yields each event's JSON until `[DONE]`; aborting `signal` hangs up, which stops the generation. */
export async function* streamJson<T>(path: string, body: unknown, signal: AbortSignal, onOpen?: (headers: Headers) => void): AsyncGenerator<T> {
  const response = await send(path, { method: 'POST', body, signal })
  onOpen?.(response.headers)
  if (!response.body) return
  for await (const { data } of readEvents(response.body)) {
    if (data === '[DONE]') return
    let value: unknown
    try {
      value = JSON.parse(data)
    } catch {
      throw new ApiError(502, 'BAD_STREAM', `the stream carries something that is not JSON: ${data.slice(0, 120)}`)
    }
    // The status line was sent before the failure, so a stream reports it as an event.
    const { error } = value as { error?: { message?: string; code?: string | null; type?: string } | string }
    if (error) throw typeof error === 'string' ? new ApiError(502, '', error) : new ApiError(502, error.code ?? error.type ?? '', error.message ?? data)
    yield value as T
  }
}

/** The events of a response body, in order; ends with the body, rejects when the connection breaks or is aborted. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader()
  const text = new TextDecoder()
  const decoder = new EventDecoder()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      // An upstream may close without the last blank line: what it finished saying still counts.
      yield* decoder.push(done ? `${text.decode()}\n\n` : text.decode(value, { stream: true }))
      if (done) return
    }
  } finally {
    // A reader that stops early hangs up, so that the server stops generating.
    reader.cancel().catch(() => {})
  }
}

/** Takes text in pieces and gives back the events each piece completes (WHATWG HTML, section 9.2). */
export class EventDecoder {
  private rest = ''
  private event = ''
  private data: string[] = []
  private size = 0

  /** Byte order marks are already gone: `TextDecoder` takes them away. */
  push(piece: string): ServerEvent[] {
    const text = this.rest + piece
    const events: ServerEvent[] = []
    let from = 0
    for (;;) {
      const end = lineEnd(text, from)
      if (end === undefined) break
      this.line(text.slice(from, end.at), events)
      from = end.next
    }
    this.rest = text.slice(from)
    if (this.rest.length + this.size > eventCharactersMax) throw new ApiError(502, 'BAD_STREAM', `an event of the stream is larger than ${eventCharactersMax} characters`)
    return events
  }

  private line(line: string, events: ServerEvent[]) {
    if (line === '') {
      if (this.data.length > 0) events.push({ event: this.event || 'message', data: this.data.join('\n') })
      this.event = ''
      this.data = []
      this.size = 0
      return
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') this.event = value
    if (field === 'data') {
      this.data.push(value)
      this.size += value.length
    }
  }
}

/** The next line end from `from` on; undefined when the line, or a `\r` that may be half a `\r\n`, is not complete. */
function lineEnd(text: string, from: number): { at: number; next: number } | undefined {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\n') return { at, next: at + 1 }
    if (text[at] === '\r') {
      if (at + 1 === text.length) return undefined
      return { at, next: text[at + 1] === '\n' ? at + 2 : at + 1 }
    }
  }
  return undefined
}
