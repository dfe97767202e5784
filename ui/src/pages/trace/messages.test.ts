import { describe, expect, test } from 'vitest'
import type { Json } from '../../api/otlp'
import { messagesIn, messagesOut, type ChatMessage } from './messages'

const brief = (messages: ChatMessage[]) => messages.map((it) => `${it.role}: ${it.text}${it.toolCalls.map((call) => ` → ${call.name}(${call.arguments})`).join('')}${it.attachments.map((kind) => ` [${kind}]`).join('')}`)

describe('messages in', () => {
  const check = (name: string, inputs: Json, expected: string[]) => test(name, () => expect(brief(messagesIn(inputs))).toEqual(expected))
  check('OpenAI', { model: 'm', messages: [{ role: 'developer', content: 'Be terse.' }, { role: 'user', content: 'Hi' }] }, ['system: Be terse.', 'user: Hi'])
  check('parts', { messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: 'x' } }] }] }, ['user: What is this? [image_url]'])
  check('Anthropic, its system apart', { system: [{ type: 'text', text: 'Be terse.' }], messages: [{ role: 'user', content: 'Hi' }] }, ['system: Be terse.', 'user: Hi'])
  check('Gemini', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }, { role: 'model', parts: [{ text: 'Ho' }] }] }, ['user: Hi', 'assistant: Ho'])
  check('LangChain batch', { messages: [[{ type: 'human', content: 'Hi' }]] }, ['user: Hi'])
  check('responses input', { instructions: 'Be terse.', input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }] }, ['system: Be terse.', 'user: Hi'])
  check('completion prompt', { prompt: 'Once upon' }, ['user: Once upon'])
  check('wrapped in kwargs', { kwargs: { messages: [{ role: 'user', content: 'Hi' }] } }, ['user: Hi'])
  check('a tool’s answer and a call', { messages: [{ role: 'assistant', content: null, tool_calls: [{ id: 'c1', function: { name: 'lookup', arguments: '{"q":1}' } }] }, { role: 'tool', tool_call_id: 'c1', content: '42' }] }, ['assistant:  → lookup({"q":1})', 'tool: 42'])
  check('no conversation', { question: 'Why?', k: 3 }, [])
  check('a list that is no conversation', { messages: ['a', 'b'] }, [])
  check('nothing', null, [])
})

describe('messages out', () => {
  const check = (name: string, outputs: Json, expected: string[]) => test(name, () => expect(brief(messagesOut(outputs))).toEqual(expected))
  check('OpenAI', { choices: [{ message: { role: 'assistant', content: 'Paris' } }] }, ['assistant: Paris'])
  check('completion', { choices: [{ text: ' a time' }] }, ['assistant:  a time'])
  check('Anthropic with a tool call', { role: 'assistant', content: [{ type: 'text', text: 'Let me see.' }, { type: 'tool_use', id: 't', name: 'f', input: {} }] }, ['assistant: Let me see. → f({})'])
  check('Gemini', { candidates: [{ content: { role: 'model', parts: [{ text: 'Paris' }] } }] }, ['assistant: Paris'])
  check('one message', { role: 'assistant', content: 'Paris' }, ['assistant: Paris'])
  check('a plain answer', 'Paris', [])
  check('a table', { rows: [1, 2] }, [])
})
