/** One endpoint: what it is, a test call, and how to call it from elsewhere. */
import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { FlaskConical, Send } from 'lucide-react'
import { useState } from 'react'
import { messageOf } from '../../api/client'
import { invocationsPath, isTalker, kindWord, testBody, testEndpoint, type Endpoint } from '../../api/gateway'
import { Button, buttonClass } from '../../components/Button'
import { Code } from '../../components/Code'
import { Facts } from '../../components/Facts'
import { Tabs } from '../../components/Tabs'
import { formatDuration, formatNumber } from '../../lib/format'
import { PromptArea } from '../playground/PromptArea'
import styles from './EndpointPanel.module.css'
import type { Recent } from './recent'
import { curlFor, mlflowFor, openaiFor } from './snippets'
import { serverUrl } from '../../lib/base'

const snippets = [
  { id: 'curl', label: 'curl' },
  { id: 'openai', label: 'OpenAI client' },
  { id: 'mlflow', label: 'MLflow client' },
] as const

export function EndpointPanel({ endpoint, recent, onCalled }: { endpoint: Endpoint; recent: Recent; onCalled: () => void }) {
  const [text, setText] = useState('Say hello in one sentence.')
  const [snippet, setSnippet] = useState<(typeof snippets)[number]['id']>('curl')
  const test = useMutation({ mutationFn: () => testEndpoint(endpoint, text), onSettled: onCalled })
  const body = testBody(endpoint, text)
  return (
    <section className={styles.panel} aria-label={`Endpoint ${endpoint.name}`}>
      <div className={styles.head}>
        <h2 className="truncate">{endpoint.name}</h2>
        <span className="grow" />
        {isTalker(endpoint) && (
          <Link className={buttonClass()} to="/playground" search={{ endpoint: endpoint.name }}>
            <FlaskConical aria-hidden /> Open in playground
          </Link>
        )}
      </div>
      <Facts
        items={[
          ['type', kindWord[endpoint.endpoint_type] ?? endpoint.endpoint_type],
          ['provider', endpoint.model.provider],
          ['model', endpoint.model.name],
          ['limit', endpoint.limit ? `${endpoint.limit.calls} calls per ${endpoint.limit.renewal_period}` : 'none'],
          ...(recent.calls > 0 ? [['median', formatDuration(recent.medianMs)] as const, ['p95', formatDuration(recent.p95Ms)] as const] : []),
        ]}
      />

      <h3>Send a test</h3>
      <form
        className={styles.test}
        onSubmit={(event) => {
          event.preventDefault()
          test.mutate()
        }}
      >
        <PromptArea label="What to send" value={text} onChange={setText} />
        <Button type="submit" tone="primary" icon={<Send />} busy={test.isPending} disabled={text.trim() === ''}>
          {test.isPending ? 'Waiting' : 'Send'}
        </Button>
      </form>
      <div aria-live="polite">
        {test.isError && (
          <p role="alert" className={styles.error}>
            {messageOf(test.error)}
          </p>
        )}
        {test.data && (
          <div className={styles.answer}>
            <p className={styles.text}>{test.data.text || <span className="muted">The answer is empty.</span>}</p>
            <Facts
              items={[
                ['took', formatDuration(test.data.ms)],
                ...(test.data.usage ? [['tokens', `${formatNumber(test.data.usage.prompt_tokens ?? 0)} in · ${formatNumber(test.data.usage.completion_tokens ?? 0)} out`] as const] : []),
              ]}
            />
            <details>
              <summary>Whole answer</summary>
              <Code text={test.data.raw} language="json" wrap label="Whole answer" />
            </details>
          </div>
        )}
      </div>

      <h3>Call it</h3>
      <div className={styles.snippets}>
        <Tabs label="How to call it" tabs={[...snippets]} value={snippet} onChange={setSnippet} />
      </div>
      {snippet === 'curl' && <Code text={curlFor(serverUrl, invocationsPath(endpoint.name), body)} language="bash" wrap label="curl command" />}
      {snippet === 'openai' && <Code text={openaiFor(serverUrl, endpoint, text)} language="python" label="Python with the OpenAI client" />}
      {snippet === 'mlflow' && <Code text={mlflowFor(serverUrl, endpoint, body)} language="python" label="Python with the MLflow client" />}
    </section>
  )
}
