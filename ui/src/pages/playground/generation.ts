/** One answer being written: its text so far, its clock, its counts. */
import { messageOf } from '../../api/client'
import { streamCall, type Call, type Usage } from '../../api/gateway'

export type Generation = {
  state: 'waiting' | 'streaming' | 'done' | 'stopped' | 'failed'
  endpoint: string
  call: Call
  text: string
  /** Pieces with text: the token count until the endpoint says its own. */
  pieces: number
  /** The clock at the last change. */
  elapsedMs: number
  ttftMs?: number
  durationMs?: number
  /** The gateway's name for this call. */
  requestId?: string
  finish?: string
  usage?: Usage
  error?: string
}

export const isBusy = (generation: Generation | undefined): boolean => generation?.state === 'waiting' || generation?.state === 'streaming'

/** Streams one call; `onChange` gets each new state. Never rejects: what goes wrong is a state too. */
export async function generate(endpoint: string, call: Call, signal: AbortSignal, onChange: (generation: Generation) => void, now: () => number = () => performance.now()): Promise<Generation> {
  const startedMs = now()
  let it: Generation = { state: 'waiting', endpoint, call, text: '', pieces: 0, elapsedMs: 0 }
  const change = (next: Partial<Generation>) => onChange((it = { ...it, ...next }))
  onChange(it)
  try {
    for await (const piece of streamCall(call, signal, (id) => id && (it = { ...it, requestId: id }))) {
      const elapsedMs = now() - startedMs
      change({
        elapsedMs,
        ...(piece.text ? { state: 'streaming' as const, text: it.text + piece.text, pieces: it.pieces + 1, ttftMs: it.ttftMs ?? elapsedMs } : {}),
        ...(piece.finish ? { finish: piece.finish } : {}),
        ...(piece.usage ? { usage: piece.usage } : {}),
      })
    }
    const durationMs = now() - startedMs
    change({ state: 'done', elapsedMs: durationMs, durationMs })
  } catch (error) {
    const durationMs = now() - startedMs
    change({ elapsedMs: durationMs, durationMs, ...(signal.aborted ? { state: 'stopped' } : { state: 'failed', error: messageOf(error) }) })
  }
  return it
}

export const completionTokens = (it: Generation): number => it.usage?.completion_tokens ?? it.pieces

/** Tokens per second after the first: the wait for the first one is a number of its own. */
export function tokensPerSecond(it: Generation): number | undefined {
  if (it.ttftMs === undefined) return undefined
  const writingMs = it.elapsedMs - it.ttftMs
  const later = completionTokens(it) - 1
  return writingMs > 0 && later > 0 ? (later / writingMs) * 1000 : undefined
}
