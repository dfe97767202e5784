/** Keeps an answer as a run of the experiment `playground`. */
import { artifactUrl } from '../../api/artifacts'
import { ApiError, messageOf, request, send } from '../../api/client'
import { createExperiment } from '../../api/experiments'
import type { Experiment, Run } from '../../api/types'
import { completionTokens, tokensPerSecond, type Generation } from './generation'

export const experimentName = 'playground'
/** The server's own limit for a parameter; the whole text is in the artifact. */
const paramCharactersMax = 6000
const nameCharactersMax = 60

/** Saves one answer and gives its run's id. A run that could not be completed is marked failed, never left running. */
export async function saveRun(generation: Generation, variables: Record<string, string>): Promise<string> {
  const experimentId = await playgroundExperiment()
  const endMs = Date.now()
  const record = recordOf(generation, variables)
  const { run } = await request<{ run: Run }>('/api/2.0/mlflow/runs/create', {
    method: 'POST',
    body: {
      experiment_id: experimentId,
      run_name: record.name,
      start_time: Math.round(endMs - (generation.durationMs ?? 0)),
      tags: [
        { key: 'mlflow.source.type', value: 'LOCAL' },
        { key: 'mlflow.source.name', value: 'playground' },
        ...(generation.requestId ? [{ key: 'tidegate.request_id', value: generation.requestId }] : []),
      ],
    },
  })
  const id = run.info.run_id
  try {
    await request('/api/2.0/mlflow/runs/log-batch', { method: 'POST', body: { run_id: id, params: record.params, metrics: record.metrics.map((metric) => ({ ...metric, timestamp: endMs, step: 0 })), tags: [] } })
    await send(artifactUrl(run.info.artifact_uri, id, 'playground.json'), { method: 'PUT', body: record.artifact })
    await finish(id, 'FINISHED', endMs)
  } catch (error) {
    await finish(id, 'FAILED', endMs).catch(() => {})
    throw new ApiError(0, 'NOT_SAVED', `run ${id.slice(0, 8)} was created but not all of it could be saved: ${messageOf(error)}`)
  }
  return id
}

type Written = { name: string; params: { key: string; value: string }[]; metrics: { key: string; value: number }[]; artifact: object }

/** What is written down; absent numbers are left out rather than guessed. */
export function recordOf(generation: Generation, variables: Record<string, string>): Written {
  const { body } = generation.call
  const messages = body.messages as { role: string; content: string }[] | undefined
  const prompt = messages?.findLast((it) => it.role === 'user')?.content ?? String(body.prompt ?? '')
  const system = messages?.find((it) => it.role === 'system')?.content
  const used = Object.entries(variables)
  const params = [
    ['endpoint', generation.endpoint],
    ['temperature', body.temperature],
    ['max_tokens', body.max_tokens],
    ['system', system],
    ['prompt', prompt],
    ...used.map(([name, value]) => [`variable.${name}`, value]),
  ].filter(([, value]) => value !== undefined && value !== '') as [string, unknown][]
  const metrics = [
    ['latency_ms', generation.durationMs],
    ['ttft_ms', generation.ttftMs],
    ['prompt_tokens', generation.usage?.prompt_tokens],
    ['completion_tokens', completionTokens(generation)],
    ['tokens_per_second', tokensPerSecond(generation)],
  ].filter((it): it is [string, number] => typeof it[1] === 'number')
  return {
    name: `${generation.endpoint}: ${prompt.replaceAll(/\s+/g, ' ').trim()}`.slice(0, nameCharactersMax),
    params: params.map(([key, value]) => ({ key, value: String(value).slice(0, paramCharactersMax) })),
    metrics: metrics.map(([key, value]) => ({ key, value })),
    artifact: {
      endpoint: generation.endpoint,
      request: body,
      variables,
      output: generation.text,
      state: generation.state,
      ...(generation.finish ? { finish_reason: generation.finish } : {}),
      ...(generation.usage ? { usage: generation.usage } : {}),
      ...(generation.error ? { error: generation.error } : {}),
      latency_ms: generation.durationMs,
      ttft_ms: generation.ttftMs,
    },
  }
}

const finish = (id: string, status: 'FINISHED' | 'FAILED', endMs: number) => request('/api/2.0/mlflow/runs/update', { method: 'POST', body: { run_id: id, status, end_time: endMs } })

async function playgroundExperiment(): Promise<string> {
  const known = await find()
  if (known) return known
  try {
    return (await createExperiment(experimentName)).experiment_id
  } catch (error) {
    // Another tab may have been a moment faster.
    if (error instanceof ApiError && error.code === 'RESOURCE_ALREADY_EXISTS') {
      const id = await find()
      if (id) return id
    }
    throw error
  }
}

async function find(): Promise<string | undefined> {
  const body = { max_results: 1, filter: `name = '${experimentName}'`, view_type: 'ALL' }
  const { experiments = [] } = await request<{ experiments?: Experiment[] }>('/api/2.0/mlflow/experiments/search', { method: 'POST', body })
  const found = experiments[0]
  if (found?.lifecycle_stage === 'deleted') throw new ApiError(400, 'DELETED', `the experiment “${experimentName}” is deleted; restore it on the experiments page to save runs into it`)
  return found?.experiment_id
}
