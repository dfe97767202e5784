/** One readable line out of a request or response preview, which may be text, JSON, or JSON cut in the middle. */
import { isObject, type Json } from '../../api/otlp'
import { messagesIn, messagesOut, type ChatMessage } from '../trace/messages'

/** Longer than any cell shows; keeps the page light when a preview is huge. */
const charactersMax = 600

export function previewText(preview: string | undefined): string {
  if (!preview) return ''
  const head = preview.slice(0, 20_000)
  return oneLine(unmarked(/^\s*[[{"]/.test(head) ? fromJson(head) : head)).slice(0, charactersMax)
}

function fromJson(text: string): string {
  try {
    return plain(JSON.parse(text) as Json)
  } catch {
    return fromCutJson(text)
  }
}

function plain(value: Json): string {
  if (typeof value === 'string') return value
  if (value === null) return ''
  if (!isObject(value)) return Array.isArray(value) ? lastText(messagesIn(value)) || value.map(plain).join(', ') : String(value)
  const messages = [...messagesIn(value), ...messagesOut(value)]
  // A conversation in which nobody said anything, such as an answer cut before its first word.
  if (messages.length > 0) return lastText(messages)
  const fields = Object.entries(value)
  return fields.length === 1 && fields[0] ? plain(fields[0][1]) : fields.map(([key, field]) => `${key}: ${plain(field)}`).join(' · ')
}

/** The last thing said, or the tool asked for: what a person recognises a call by. */
function lastText(messages: ChatMessage[]): string {
  const said = messages.findLast((it) => it.role !== 'system' && (it.text || it.toolCalls.length > 0)) ?? messages.findLast((it) => it.text)
  return said ? said.text || said.toolCalls.map((call) => `${call.name}(${call.arguments})`).join(', ') : ''
}

/** Cut JSON: the last text under a telling key, else the JSON without its punctuation. */
function fromCutJson(text: string): string {
  const said = [...text.matchAll(/"(?:content|text|prompt|input|question|query)"\s*:\s*"((?:[^"\\]|\\.)*)/g)].at(-1)?.[1]
  if (said) return unescaped(said)
  return unescaped(text.replaceAll(/[{}[\]"]/g, ' ').replaceAll(/\s+,/g, ' ·').replaceAll(/\s+:/g, ':'))
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, letter: string | undefined) => (code ? String.fromCharCode(Number.parseInt(code, 16)) : letter === 'n' || letter === 't' || letter === 'r' ? ' ' : (letter ?? '')))
}

/** Markdown's marks mean nothing in one line. */
const unmarked = (text: string) =>
  text
    .replaceAll(/^\s*(?:#{1,6}|>|[-*+])\s+/gm, '')
    .replaceAll(/```\w*/g, '')
    .replaceAll(/(\*\*|__|`)(?=\S)([^*_`\n]+?)\1/g, '$2')

const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim()
