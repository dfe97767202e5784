/** Turns a recorded span back into a prompt. */
import type { Span } from '../../api/otlp'
import { messagesIn } from '../trace/messages'
import type { Prompt } from './draft'

export function promptOf(spans: Span[], spanId: string | undefined): { prompt: Prompt; model: string | undefined } | undefined {
  const asked = spans.find((span) => span.id === spanId)
  const span = [asked, ...spans].find((it) => it && messagesIn(it.inputs).length > 0)
  if (!span) return undefined
  const messages = messagesIn(span.inputs)
  const system = messages.filter((it) => it.role === 'system').map((it) => it.text)
  const turns = messages.filter((it) => it.role !== 'system' && it.text !== '').map((it) => ({ role: it.role === 'assistant' ? ('assistant' as const) : ('user' as const), text: it.text }))
  const inputs = span.inputs
  // The name the caller used is the endpoint; the span's model may be what stood behind it.
  const model = typeof inputs === 'object' && inputs !== null && !Array.isArray(inputs) && typeof inputs.model === 'string' ? inputs.model : span.model
  return { prompt: { system: system.join('\n\n'), turns: turns.length > 0 ? turns : [{ role: 'user', text: '' }] }, model }
}
