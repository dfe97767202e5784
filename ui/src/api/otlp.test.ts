import { describe, expect, test } from 'vitest'
import { spanOf, tokensOf, type Json } from './otlp'

const text = (key: string, string_value: string) => ({ key, value: { string_value } })

test('a span as the server sends it', () => {
  const span = spanOf({
    span_id: 'pLUQuKS2rwI=',
    parent_span_id: 'l5E2sv0LvX4=',
    name: 'generate',
    start_time_unix_nano: 1_795_548_847_241_080_832,
    end_time_unix_nano: '1795548847291820000',
    status: { code: 'STATUS_CODE_ERROR', message: 'ValueError: no' },
    attributes: [
      text('mlflow.spanType', 'CHAT_MODEL'),
      { key: 'mlflow.spanInputs', value: { kvlist_value: { values: [{ key: 'k', value: { int_value: '3' } }, { key: 'on', value: { bool_value: true } }, { key: 'list', value: { array_value: { values: [{ double_value: 0.5 }, {}] } } }] } } },
      text('mlflow.spanOutputs', '{"model": "smollm2", "usage": {"prompt_tokens": 20, "completion_tokens": 33}}'),
      text('temperature', 'hot'),
    ],
    events: [{ name: 'exception', time_unix_nano: 1_795_548_847_301_317_888, attributes: [text('exception.message', 'no')] }],
  })
  expect(span).toEqual({
    id: 'pLUQuKS2rwI=',
    parentId: 'l5E2sv0LvX4=',
    name: 'generate',
    kind: 'CHAT_MODEL',
    startMs: expect.closeTo(1_795_548_847_241.081, 2),
    endMs: expect.closeTo(1_795_548_847_291.82, 2),
    status: 'error',
    statusMessage: 'ValueError: no',
    inputs: { k: 3, on: true, list: [0.5, null] },
    outputs: { model: 'smollm2', usage: { prompt_tokens: 20, completion_tokens: 33 } },
    attributes: { temperature: 'hot' },
    events: [{ name: 'exception', atMs: expect.closeTo(1_795_548_847_301.317, 2), attributes: { 'exception.message': 'no' } }],
    model: 'smollm2',
    tokens: { input: 20, output: 33, total: 53 },
  })
})

test('a running span has no end', () => {
  expect(spanOf({ span_id: 'a', name: 'x', start_time_unix_nano: 5e6 })).toMatchObject({ startMs: 5, endMs: undefined, status: 'unset', kind: 'UNKNOWN', parentId: '' })
})

describe('token counts', () => {
  test.each<[Json, unknown]>([
    [{ input_tokens: 1, output_tokens: 2, total_tokens: 3 }, { input: 1, output: 2, total: 3 }],
    [{ prompt_tokens: 1 }, { input: 1, output: 0, total: 1 }],
    [{ total_tokens: 9 }, { input: 0, output: 0, total: 9 }],
    [{ input_tokens: 'many' }, undefined],
    [null, undefined],
  ])('%j', (usage, expected) => expect(tokensOf(usage)).toEqual(expected))
})
