/** The playground: one prompt beside up to four answers, streamed at once. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Diff, Play, Plus, RotateCcw, Save, Square } from 'lucide-react'
import { useEffect, useState } from 'react'
import { messageOf } from '../../api/client'
import { callOf, endpointsQuery, isTalker, type Call, type Endpoint } from '../../api/gateway'
import { traceQuery } from '../../api/traces'
import { Button } from '../../components/Button'
import { Code } from '../../components/Code'
import { Empty, Failure, Loading } from '../../components/Empty'
import { Page } from '../../components/Page'
import { toast } from '../../components/Toast'
import { copyText } from '../../lib/browser'
import { modKey, useKeys } from '../../lib/keys'
import { ColumnView } from './ColumnView'
import { columnsMax, emptyDraft, loadDraft, messagesOf, newColumn, saveDraft, settingsOf, variablesOf, type Column, type Draft, type Prompt } from './draft'
import { isBusy } from './generation'
import styles from './Playground.module.css'
import { PromptEditor } from './PromptEditor'
import { promptOf } from './replay'
import { saveRun } from './saveRun'
import { curlOf, pythonOf } from './snippets'
import { useGenerations } from './useGenerations'
import { serverUrl } from '../../lib/base'

export function Playground() {
  const endpoints = useQuery(endpointsQuery)
  const talkers = endpoints.data?.filter(isTalker) ?? []
  return (
    <>
      {endpoints.data && talkers.length > 0 ? (
        <Bench endpoints={talkers} />
      ) : (
        <Page title="Playground" documentTitle="Playground">
          {endpoints.isPending && <Loading />}
          {endpoints.isError && <Failure error={endpoints.error} what="the gateway’s endpoints" onRetry={() => void endpoints.refetch()} />}
          {endpoints.data && <NoEndpoints />}
        </Page>
      )}
    </>
  )
}

export function NoEndpoints() {
  return (
    <Empty title="No endpoint to talk to" text="An endpoint is a name for a model. Write one into the gateway’s configuration and start the server with it:">
      <Code
        language="yaml"
        text={`endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-4o-mini
      config:
        openai_api_key: $OPENAI_API_KEY`}
      />
      <Code language="bash" text="tidegate server --gateway-config gateway.yaml" />
    </Empty>
  )
}

function Bench({ endpoints }: { endpoints: Endpoint[] }) {
  const [draft, setDraft] = useState(loadDraft)
  const { generations, busy, start, stop, fail, forget } = useGenerations()
  const save = useSave()
  const { columns, prompt } = draft
  const [differences, setDifferences] = useState(false)
  useEffect(() => saveDraft(draft), [draft])
  useOpening(setDraft)

  const change = (next: Partial<Draft>) => setDraft((old) => ({ ...old, ...next }))
  const setColumn = (column: Column) => change({ columns: columns.map((it) => (it.id === column.id ? column : it)) })
  const endpointOf = (column: Column) => endpoints.find((it) => it.name === column.endpoint) ?? (endpoints[0] as Endpoint)
  const promptFor = (column: Column) => column.own ?? prompt
  const variables = variablesOf(columns.map(promptFor))
  const values = Object.fromEntries(variables.map((name) => [name, draft.variables[name] ?? '']))
  const callFor = (column: Column): Call => callOf(endpointOf(column), messagesOf(promptFor(column), values), settingsOf(column))

  const run = (column: Column) => {
    save.reset()
    const endpoint = endpointOf(column)
    try {
      const call = callFor(column)
      if (messagesOf(promptFor(column), values).every((turn) => turn.role === 'system')) throw new Error('there is nothing to ask; write a user message')
      start(column.id, endpoint.name, call)
    } catch (error) {
      fail(column.id, endpoint.name, messageOf(error))
    }
  }
  const runAll = () => columns.forEach(run)
  const stopAll = () => columns.forEach((column) => stop(column.id))
  useKeys({ 'mod+enter': runAll })

  const copy = async (column: Column, kind: 'curl' | 'python') => {
    try {
      const text = kind === 'curl' ? curlOf(serverUrl, callFor(column)) : pythonOf(serverUrl, callFor(column))
      toast((await copyText(text)) ? `Copied as ${kind === 'curl' ? 'curl' : 'Python'}` : 'This browser does not allow copying', false)
    } catch (error) {
      toast(messageOf(error), true)
    }
  }
  const continueFrom = (column: Column) => {
    const text = generations.get(column.id)?.text
    if (!text) return
    const from = promptFor(column)
    const next: Prompt = { ...from, turns: [...from.turns, { role: 'assistant', text }, { role: 'user', text: '' }] }
    if (column.own) setColumn({ ...column, own: next })
    else change({ prompt: next })
  }
  const saveable = columns.flatMap((column) => {
    const generation = generations.get(column.id)
    return generation && generation.text && !isBusy(generation) ? [generation] : []
  })

  const firstAnswer = columns[0] && generations.get(columns[0].id)?.text
  const comparable = firstAnswer !== undefined && saveable.length > 1

  return (
    <Page
      title="Playground"
      documentTitle="Playground"
      actions={
        <>
          <Saved runs={save.data} />
          {comparable && (
            <Button icon={<Diff />} pressed={differences} title="Show what each answer says differently from the first" onClick={() => setDifferences(!differences)}>
              Differences
            </Button>
          )}
          <Button tone="ghost" icon={<RotateCcw />} onClick={() => (columns.forEach((column) => forget(column.id)), setDraft(emptyDraft()), save.reset())}>
            Clear
          </Button>
          <Button icon={<Plus />} disabled={columns.length >= columnsMax} onClick={() => change({ columns: [...columns, newColumn(nextEndpoint(endpoints, columns), columns.at(-1))] })}>
            Column
          </Button>
          <Button icon={<Save />} busy={save.isPending} disabled={saveable.length === 0 || busy} onClick={() => save.mutate({ generations: saveable, values })}>
            {saveable.length > 1 ? `Save as ${saveable.length} runs` : 'Save as run'}
          </Button>
          {busy ? (
            <Button tone="danger" icon={<Square />} onClick={stopAll}>
              Stop
            </Button>
          ) : (
            <Button tone="primary" icon={<Play />} title={`${modKey}Enter`} onClick={runAll}>
              {columns.length > 1 ? `Run all ${columns.length}` : 'Run'}
            </Button>
          )}
        </>
      }
    >
      <div className={styles.bench}>
        <div className={styles.prompt}>
          <PromptEditor prompt={prompt} onChange={(next) => change({ prompt: next })} />
          {variables.length > 0 && (
            <fieldset className={styles.variables}>
              <legend>Variables</legend>
              {variables.map((name) => (
                <label key={name}>
                  <code>{name}</code>
                  <input value={values[name]} placeholder="empty" onChange={(event) => change({ variables: { ...draft.variables, [name]: event.target.value } })} />
                </label>
              ))}
            </fieldset>
          )}
          <p className={styles.hint}>
            <kbd>{modKey}↵</kbd> runs every column at once. Each call is recorded as a <Link to="/traces">trace</Link>.
          </p>
        </div>
        <div className={styles.columns}>
          {columns.map((column, index) => (
            <ColumnView
              key={column.id}
              column={column}
              index={index}
              endpoints={endpoints}
              endpoint={endpointOf(column)}
              generation={generations.get(column.id)}
              against={comparable && differences && index > 0 ? firstAnswer : undefined}
              removable={columns.length > 1}
              onChange={setColumn}
              onRemove={() => (forget(column.id), change({ columns: columns.filter((it) => it.id !== column.id) }))}
              onRun={() => run(column)}
              onStop={() => stop(column.id)}
              onOwn={() => setColumn({ ...column, own: column.own ? null : structuredClone(prompt) })}
              onContinue={() => continueFrom(column)}
              onCopy={(kind) => void copy(column, kind)}
            />
          ))}
        </div>
        <div role="status" className="sr-only">
          {busy ? 'answers are being written' : saveable.length > 0 ? 'answers are complete' : ''}
        </div>
      </div>
    </Page>
  )
}

/** The first endpoint that no column has yet. */
const nextEndpoint = (endpoints: Endpoint[], columns: Column[]): string => (endpoints.find((it) => columns.every((column) => (column.endpoint || endpoints[0]?.name) !== it.name)) ?? endpoints[0])?.name ?? ''

function useSave() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ generations, values }: { generations: Parameters<typeof saveRun>[0][]; values: Record<string, string> }) => generations.reduce<Promise<string[]>>(async (saved, it) => [...(await saved), await saveRun(it, values)], Promise.resolve([])),
    onError: (error) => toast(`Not saved: ${messageOf(error)}`, true),
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['runs'] }), client.invalidateQueries({ queryKey: ['experiments'] })]),
  })
}

function Saved({ runs }: { runs: string[] | undefined }) {
  const [first] = runs ?? []
  if (!runs || !first) return null
  return (
    <span className={styles.saved} role="status">
      saved:{' '}
      {runs.length === 1 ? (
        <Link to="/runs/$id" params={{ id: first }}>
          open the run
        </Link>
      ) : (
        <Link to="/compare" search={{ runs: runs.join(',') }}>
          compare the {runs.length} runs
        </Link>
      )}
    </span>
  )
}

/** Takes over what the address asks for (a trace to replay, an endpoint), then leaves the address clean. */
function useOpening(setDraft: (change: (draft: Draft) => Draft) => void) {
  const { trace, span, endpoint } = useSearch({ from: '/playground' })
  const navigate = useNavigate()
  const asked = useQuery({ ...traceQuery(trace ?? ''), enabled: trace !== undefined })
  useEffect(() => {
    if (endpoint === undefined && trace === undefined) return
    if (trace !== undefined && asked.isPending) return
    if (asked.isError) toast(`Could not open the trace: ${messageOf(asked.error)}`, true)
    const replayed = asked.data && promptOf(asked.data.spans, span)
    setDraft((draft) => ({
      ...draft,
      ...(replayed ? { prompt: replayed.prompt } : {}),
      columns: draft.columns.map((column, index) => ({ ...column, ...(index === 0 && (endpoint ?? replayed?.model) ? { endpoint: endpoint ?? replayed?.model ?? '' } : {}), ...(replayed ? { own: null } : {}) })),
    }))
    void navigate({ to: '/playground', search: {}, replace: true })
  }, [trace, span, endpoint, asked.isPending, asked.isError, asked.error, asked.data, navigate, setDraft])
}
