import { expect, test } from 'vitest'
import { previewText } from './preview'

test.each([
  ['plain text', 'Say  hello\n\nplease', 'Say hello please'],
  ['a chat request shows what was asked last', '{"messages":[{"role":"system","content":"Be terse."},{"role":"user","content":"Hi\\nthere"}]}', 'Hi there'],
  ['a chat answer', '{"choices":[{"message":{"role":"assistant","content":"Paris"}}]}', 'Paris'],
  ['a JSON string', '"just text"', 'just text'],
  ['one field needs no key', '{"question":"Why?"}', 'Why?'],
  ['several fields', '{"question":"Why?","k":3,"fail":false}', 'question: Why? · k: 3 · fail: false'],
  ['a list', '["a","b"]', 'a, b'],
  ['JSON cut in the middle of a text', '{"messages":[{"role":"user","content":"Tell me a \\"long\\" sto', 'Tell me a "long" sto'],
  ['JSON cut elsewhere', '{"k": 3, "flags": [true, fal', 'k: 3, flags: true, fal'],
  ['text that only looks like JSON', '{not json}', 'not json'],
  ['markdown loses its marks', '## Tides\n\nThe **Moon** pulls, `g` falls:\n- 2 * 3\n- a_b_c', 'Tides The Moon pulls, g falls: 2 * 3 a_b_c'],
  ['an answer cut before its first word', '{"id":"chatcmpl-1","choices":[{"message":{"role":"assistant","content":""}}]}', ''],
  ['an answer that only calls a tool', '{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"lookup","arguments":"{\\"q\\":1}"}}]}}]}', 'lookup({"q":1})'],
  ['nothing', undefined, ''],
])('%s', (_, preview, expected) => {
  expect(previewText(preview)).toBe(expected)
})
