import { expect, test } from 'vitest'
import { callOf } from '../../api/gateway'
import { curlOf, pythonOf } from './snippets'

const chat = callOf({ name: 'smollm2', endpoint_type: 'llm/v1/chat' }, [{ role: 'user', content: "It's \"ok\"\n" }], { temperature: 0, maxTokens: 64 })

test('curl survives quotes in the prompt', () => {
  expect(curlOf('http://127.0.0.1:5000', chat)).toBe(`curl -N http://127.0.0.1:5000/v1/chat/completions \\
  -H 'content-type: application/json' \\
  -d '{
  "model": "smollm2",
  "messages": [
    {
      "role": "user",
      "content": "It'\\''s \\"ok\\"\\n"
    }
  ],
  "temperature": 0,
  "max_tokens": 64,
  "stream": true
}'`)
})

test('Python, chat', () => {
  expect(pythonOf('http://127.0.0.1:5000', chat)).toBe(`from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:5000/v1", api_key="unused")
stream = client.chat.completions.create(
    model="smollm2",
    messages=[
        {"role": "user", "content": "It's \\"ok\\"\\n"},
    ],
    temperature=0,
    max_tokens=64,
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
`)
})

test('a completions endpoint gets one prompt', () => {
  const call = callOf({ name: 'old', endpoint_type: 'llm/v1/completions' }, [{ role: 'system', content: 'Be terse.' }, { role: 'user', content: 'Once upon' }], {})
  expect(call).toEqual({ path: '/v1/completions', body: { model: 'old', prompt: 'Be terse.\n\nOnce upon' } })
  expect(pythonOf('http://h', call)).toContain('client.completions.create(\n    model="old",\n    prompt="Be terse.\\n\\nOnce upon",\n    stream=True,')
})
