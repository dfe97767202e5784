/** Finds the conversation in a span's inputs and outputs, whichever vendor's shape it has. */
import { isObject, type Fields, type Json } from '../../api/otlp'

export type ToolCall = { id: string; name: string; arguments: string }
export type ChatMessage = { role: string; text: string; name?: string; toolCalls: ToolCall[]; /** What is no text: images, audio, files, by kind. */ attachments: string[] }

/** What went in: OpenAI and Anthropic `messages`, Gemini `contents`, the Responses API's `input`, or a plain prompt. */
export function messagesIn(inputs: Json | undefined): ChatMessage[] {
  if (Array.isArray(inputs)) return isConversation(inputs) ? inputs.flatMap(messageOf) : inputs.length === 1 ? messagesIn(inputs[0]) : []
  if (!isObject(inputs)) return []
  const listed = [inputs.messages, inputs.contents, inputs.input].find((it) => Array.isArray(it) && isConversation(it))
  if (Array.isArray(listed)) {
    // LangChain nests one list of messages per batch entry.
    const messages = listed.flatMap((it) => (Array.isArray(it) ? it.flatMap(messageOf) : messageOf(it)))
    const system = textOf(inputs.system ?? inputs.instructions ?? pick(inputs.system_instruction, 'parts'))
    return system ? [{ role: 'system', text: system, toolCalls: [], attachments: [] }, ...messages] : messages
  }
  const prompt = [inputs.prompt, inputs.input].find((it) => typeof it === 'string')
  if (typeof prompt === 'string') return [{ role: 'user', text: prompt, toolCalls: [], attachments: [] }]
  const wrapped = inputs.request ?? inputs.kwargs ?? inputs.body
  return isObject(wrapped) ? messagesIn(wrapped) : []
}

/** What came out: OpenAI choices, Anthropic content, Gemini candidates, or one message. */
export function messagesOut(outputs: Json | undefined): ChatMessage[] {
  if (!isObject(outputs)) return []
  if (Array.isArray(outputs.choices))
    return outputs.choices.flatMap((choice) => {
      if (!isObject(choice)) return []
      if (isObject(choice.message)) return messageOf(choice.message)
      return typeof choice.text === 'string' ? [{ role: 'assistant', text: choice.text, toolCalls: [], attachments: [] }] : []
    })
  if (Array.isArray(outputs.candidates)) return outputs.candidates.flatMap((it) => (isObject(it) && it.content ? messageOf(it.content) : []))
  if (Array.isArray(outputs.output) && isConversation(outputs.output)) return outputs.output.flatMap(messageOf)
  if (Array.isArray(outputs.messages) && isConversation(outputs.messages)) return outputs.messages.flatMap(messageOf)
  return isMessage(outputs) ? messageOf(outputs) : []
}

const ROLES: Record<string, string> = { human: 'user', ai: 'assistant', model: 'assistant', function: 'tool', developer: 'system' }

function messageOf(value: Json): ChatMessage[] {
  if (!isMessage(value)) return []
  const role = [value.role, value.type].find((it) => typeof it === 'string') as string
  const content = value.content ?? value.parts ?? null
  const parts = Array.isArray(content) ? content.filter(isObject) : []
  return [
    {
      role: ROLES[role] ?? role,
      text: textOf(content),
      ...(typeof value.name === 'string' ? { name: value.name } : {}),
      toolCalls: [...(Array.isArray(value.tool_calls) ? value.tool_calls.flatMap(toolCallOf) : []), ...parts.filter((part) => part.type === 'tool_use').flatMap(toolCallOf)],
      attachments: parts.map((part) => part.type).filter((it): it is string => typeof it === 'string' && /image|audio|file|video|document/.test(it)),
    },
  ]
}

function toolCallOf(call: Json): ToolCall[] {
  if (!isObject(call)) return []
  const body = isObject(call.function) ? call.function : call
  const given = body.arguments ?? body.args ?? body.input ?? {}
  return [{ id: text(call.id), name: text(body.name), arguments: typeof given === 'string' ? given : JSON.stringify(given, null, 2) }]
}

/** The text of a content: a string, or parts of which some are text. */
function textOf(content: Json | undefined): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part) => (typeof part === 'string' ? part : isObject(part) ? (typeof part.text === 'string' ? part.text : textOf(part.content)) : ''))
    .filter(Boolean)
    .join('\n')
}

const isMessage = (value: Json): value is Fields => isObject(value) && (typeof value.role === 'string' || (typeof value.type === 'string' && value.type in ROLES)) && ('content' in value || 'parts' in value || 'tool_calls' in value)
const isConversation = (values: Json[]): boolean => values.length > 0 && values.some((it) => isMessage(it) || (Array.isArray(it) && isConversation(it)))
const pick = (value: Json | undefined, key: string) => (isObject(value) ? value[key] : undefined)
const text = (value: Json | undefined) => (typeof value === 'string' ? value : '')
