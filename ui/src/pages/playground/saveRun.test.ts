import { expect, test } from 'vitest'
import { callOf } from '../../api/gateway'
import type { Generation } from './generation'
import { recordOf } from './saveRun'

const generation: Generation = {
  state: 'done',
  endpoint: 'smollm2',
  call: callOf({ name: 'smollm2', endpoint_type: 'llm/v1/chat' }, [{ role: 'system', content: 'Be terse.' }, { role: 'user', content: 'What is\nthe tide?' }], { temperature: 0.5 }),
  text: 'Water.',
  pieces: 4,
  elapsedMs: 400,
  ttftMs: 100,
  durationMs: 400,
  finish: 'stop',
  usage: { prompt_tokens: 9, completion_tokens: 7 },
}

test('an answer becomes params, metrics and an artifact', () => {
  const record = recordOf(generation, { topic: 'tide' })
  expect(record.name).toBe('smollm2: What is the tide?')
  expect(Object.fromEntries(record.params.map((it) => [it.key, it.value]))).toEqual({ endpoint: 'smollm2', temperature: '0.5', system: 'Be terse.', prompt: 'What is\nthe tide?', 'variable.topic': 'tide' })
  expect(Object.fromEntries(record.metrics.map((it) => [it.key, it.value]))).toEqual({ latency_ms: 400, ttft_ms: 100, prompt_tokens: 9, completion_tokens: 7, tokens_per_second: 20 })
  expect(record.artifact).toMatchObject({ output: 'Water.', finish_reason: 'stop', request: { messages: [{ role: 'system', content: 'Be terse.' }, { role: 'user', content: 'What is\nthe tide?' }] } })
})

test('what is unknown is left out, what is too long is cut', () => {
  const { usage: _usage, ttftMs: _ttft, ...stopped } = generation
  const call = callOf({ name: 'smollm2', endpoint_type: 'llm/v1/completions' }, [{ role: 'user', content: 'x'.repeat(7000) }], {})
  const record = recordOf({ ...stopped, call }, {})
  expect(record.metrics.map((it) => it.key)).toEqual(['latency_ms', 'completion_tokens'])
  expect(record.params.find((it) => it.key === 'prompt')?.value).toHaveLength(6000)
  expect(record.name).toHaveLength(60)
})
