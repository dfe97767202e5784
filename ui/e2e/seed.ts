/** Two experiments as people have them: a tuning with curves, children and files, and a small one that failed. */
import { randomBytes } from 'node:crypto'
import { png } from './png.ts'
import { rest, type Rest } from './rest.ts'

export const endpoint = 'smollm2'

export type Seeded = {
  tuning: { id: string; name: string; runs: number }
  /** The run with files. */
  best: { id: string; name: string }
  parent: { id: string; name: string; children: string[] }
  failing: { id: string; name: string }
  /** Three runs to compare. */
  compared: string[]
  /** A trace of an agent whose tool fails. */
  agent: string
}

const mlflow = '/api/2.0/mlflow'
const runCount = 30
const steps = 60
const optimizers = ['adam', 'sgd', 'lion']
const rates = [0.0003, 0.001, 0.003, 0.01, 0.03]

export async function seed(url: string): Promise<Seeded> {
  const api = rest(url)
  const stamp = Date.now().toString(36)
  const tuning = { name: `tide-forecast-${stamp}`, ...(await api.post<{ experiment_id: string }>(`${mlflow}/experiments/create`, { name: `tide-forecast-${stamp}`, tags: [{ key: 'mlflow.note.content', value: 'Forecasts the height of the tide one day ahead.' }] })) }
  const ids: string[] = []
  for (let index = 0; index < runCount; index++) ids.push(await tunedRun(api, tuning.experiment_id, index))
  const best = ids[runCount - 1] as string
  await files(api, tuning.experiment_id, best)
  const parent = await nested(api, tuning.experiment_id)
  const failing = { name: `smoke-${stamp}`, ...(await api.post<{ experiment_id: string }>(`${mlflow}/experiments/create`, { name: `smoke-${stamp}` })) }
  await startRun(api, failing.experiment_id, 'no-data', [], 'FAILED')
  return {
    tuning: { id: tuning.experiment_id, name: tuning.name, runs: runCount + 1 + parent.children.length },
    best: { id: best, name: runName(runCount - 1) },
    parent,
    failing: { id: failing.experiment_id, name: failing.name },
    compared: ids.slice(-3),
    agent: await agentTrace(url, tuning.experiment_id),
  }
}

const runName = (index: number) => `${['amber', 'birch', 'cedar', 'delta', 'ember'][index % 5]}-${index}`

async function startRun(api: Rest, experiment_id: string, run_name: string, tags: { key: string; value: string }[], status = 'FINISHED', body: object = {}): Promise<string> {
  const start = Date.now()
  const { run } = await api.post<{ run: { info: { run_id: string } } }>(`${mlflow}/runs/create`, { experiment_id, run_name, start_time: start - 40_000, tags: [{ key: 'mlflow.user', value: 'ada' }, { key: 'mlflow.source.name', value: 'train.py' }, ...tags] })
  const id = run.info.run_id
  await api.post(`${mlflow}/runs/log-batch`, { run_id: id, params: [], metrics: [], tags: [], ...body })
  await api.post(`${mlflow}/runs/update`, { run_id: id, status, end_time: start })
  return id
}

/** Curves that fall or rise as training does, each a little different, always the same. */
function tunedRun(api: Rest, experiment: string, index: number): Promise<string> {
  const rate = rates[index % rates.length] as number
  const optimizer = optimizers[index % optimizers.length] as string
  const speed = 6 + ((index * 7) % 11) * 2
  const noise = (step: number) => Math.sin(step * 12.9898 + index * 78.233) * 0.012
  const timestamp = Date.now() - 40_000
  const metrics = Array.from({ length: steps }, (_, step) => [
    { key: 'train/loss', value: 1.2 * Math.exp(-step / speed) + 0.05 + noise(step), step, timestamp: timestamp + step * 500 },
    { key: 'val/loss', value: 1.1 * Math.exp(-step / speed) + 0.09 + index * 0.001 + noise(step + 3), step, timestamp: timestamp + step * 500 },
    { key: 'val/accuracy', value: Math.min(0.995, 1 - 0.6 * Math.exp(-step / speed) - 0.02 - index * 0.0007 + noise(step + 9)), step, timestamp: timestamp + step * 500 },
  ]).flat()
  const params = [
    { key: 'learning_rate', value: String(rate) },
    { key: 'batch_size', value: String([16, 32, 64, 128][index % 4]) },
    { key: 'optimizer', value: optimizer },
    { key: 'epochs', value: String(steps) },
  ]
  return startRun(api, experiment, runName(index), [{ key: 'team', value: index % 2 ? 'coast' : 'harbour' }], 'FINISHED', { params, metrics: metrics.slice(0, 1000) })
}

async function nested(api: Rest, experiment: string): Promise<{ id: string; name: string; children: string[] }> {
  const name = 'sweep'
  const id = await startRun(api, experiment, name, [])
  const children: string[] = []
  for (const fold of [1, 2, 3]) children.push(await startRun(api, experiment, `fold-${fold}`, [{ key: 'mlflow.parentRunId', value: id }], 'FINISHED', { params: [{ key: 'fold', value: String(fold) }], metrics: [{ key: 'val/loss', value: 0.1 + fold / 100, step: 0, timestamp: Date.now() }] }))
  return { id, name, children }
}

async function files(api: Rest, experiment: string, run: string) {
  const { run: created } = await api.get<{ run: { info: { artifact_uri: string } } }>(`${mlflow}/runs/get?run_id=${run}`)
  const root = /^mlflow-artifacts:\/(?:\/[^/]*\/)?(.*)$/.exec(created.info.artifact_uri)?.[1] ?? `${experiment}/${run}/artifacts`
  const put = (path: string, content: string | Uint8Array) => api.put(`/api/2.0/mlflow-artifacts/artifacts/${root}/${path}`, content)
  await put('notes.md', '# Forecast\n\nThe **neap** weeks are hardest:\n\n- low range\n- wind dominates\n')
  await put('data/predictions.csv', `hour,height_m,predicted_m\n${Array.from({ length: 48 }, (_, hour) => `${hour},${(2 + Math.sin(hour / 1.98)).toFixed(3)},${(2 + Math.sin(hour / 1.98 + 0.03)).toFixed(3)}`).join('\n')}\n`)
  await put('plots/confusion.png', png([[0.95, 0.2, 0.05], [0.15, 0.8, 0.2], [0.02, 0.25, 0.9]]))
  await put('eval_results_table.json', JSON.stringify({ columns: ['question', 'answer', 'score'], data: [['When is high water?', 'At 06:12', 1], ['What is a neap tide?', 'The smallest range', 0.5]] }))
}

/** An agent that looks something up, asks a model twice and meets a tool that fails, sent as any OpenTelemetry exporter would. */
async function agentTrace(url: string, experiment: string): Promise<string> {
  const hex = (bytes: number) => randomBytes(bytes).toString('hex')
  const traceId = hex(16)
  const ids = { root: hex(8), retrieve: hex(8), plan: hex(8), tool: hex(8), answer: hex(8), embed: hex(8) }
  const startMs = Date.now() - 60_000
  const text = (key: string, value: unknown) => ({ key, value: { stringValue: JSON.stringify(value) } })
  const span = (spanId: string, parentSpanId: string, name: string, kind: string, from: number, to: number, inputs: unknown, outputs: unknown, more: { attributes?: object[]; failed?: string } = {}) => ({
    traceId,
    spanId,
    parentSpanId,
    name,
    startTimeUnixNano: `${startMs + from}000000`,
    endTimeUnixNano: `${startMs + to}000000`,
    attributes: [text('mlflow.spanType', kind), text('mlflow.spanInputs', inputs), ...(outputs === undefined ? [] : [text('mlflow.spanOutputs', outputs)]), ...(more.attributes ?? [])],
    status: more.failed ? { code: 2, message: more.failed } : { code: 1 },
    events: more.failed ? [{ name: 'exception', timeUnixNano: `${startMs + to}000000`, attributes: [{ key: 'exception.type', value: { stringValue: 'TimeoutError' } }, { key: 'exception.message', value: { stringValue: more.failed } }, { key: 'exception.stacktrace', value: { stringValue: `Traceback (most recent call last):\n  File "agent.py", line 31, in gauge\nTimeoutError: ${more.failed}` } }] }] : [],
  })
  const usage = (input_tokens: number, output_tokens: number) => ({ attributes: [text('mlflow.chat.tokenUsage', { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens }), text('mlflow.llm.model', 'gpt-4o-mini')] })
  const question = [{ role: 'system', content: 'You are a pilot’s assistant. Answer with times.' }, { role: 'user', content: 'When can a ship of **9 m** draught pass the bar today?' }]
  const spans = [
    span(ids.root, '', 'passage_planner', 'AGENT', 0, 900, { question: 'When can a ship of 9 m draught pass the bar today?' }, undefined, { failed: 'the tide gauge `bar-north` did not answer within 300 ms' }),
    span(ids.retrieve, ids.root, 'find_tables', 'RETRIEVER', 10, 90, { query: 'bar draught 9 m' }, [{ page_content: 'High water 06:12, 18:40', metadata: { source: 'tables.csv' } }]),
    span(ids.embed, ids.retrieve, 'embed', 'EMBEDDING', 12, 40, { input: 'bar draught 9 m' }, { dimensions: 384 }),
    span(ids.plan, ids.root, 'plan', 'CHAT_MODEL', 95, 480, { model: 'gpt-4o-mini', messages: question }, { choices: [{ message: { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'gauge', arguments: '{"station": "bar-north"}' } }] }, finish_reason: 'tool_calls' }] }, usage(182, 24)),
    span(ids.tool, ids.root, 'gauge', 'TOOL', 485, 790, { station: 'bar-north' }, undefined, { failed: 'the tide gauge `bar-north` did not answer within 300 ms' }),
    span(ids.answer, ids.root, 'answer', 'CHAT_MODEL', 792, 890, { model: 'gpt-4o-mini', messages: [...question, { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'gauge', arguments: '{"station": "bar-north"}' } }] }, { role: 'tool', tool_call_id: 'c1', content: 'error: no answer' }] }, { choices: [{ message: { role: 'assistant', content: 'By the tables alone:\n\n| from | until |\n|---|---|\n| 05:20 | 07:05 |\n| 17:45 | 19:30 |\n\nCheck the gauge before you sail.' }, finish_reason: 'stop' }] }, usage(240, 58)),
  ]
  const response = await fetch(`${url}/v1/traces`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': experiment }, body: JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans }] }] }) })
  if (!response.ok) throw new Error(`POST /v1/traces answered ${response.status}: ${await response.text()}`)
  return `tr-${traceId}`
}
