/** Everything about one span: its error first, then the conversation, inputs and outputs, attributes, events. */
import { TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import type { Fields, Json as JsonValue, Span, SpanEvent } from '../../api/otlp'
import type { TraceInfo } from '../../api/traces'
import { Code, Json } from '../../components/Code'
import { Facts } from '../../components/Facts'
import { Messages } from '../../components/Messages'
import { SpanKind } from '../../components/SpanKind'
import { State } from '../../components/Status'
import { Tabs } from '../../components/Tabs'
import { formatDuration, formatNumber } from '../../lib/format'
import { messagesIn, messagesOut } from './messages'
import styles from './SpanDetails.module.css'
import { TraceFacts } from './TraceFacts'
import type { SpanRow } from './tree'

type TabId = 'messages' | 'data' | 'attributes' | 'events' | 'trace'

export function SpanDetails({ row, info, traceStartMs }: { row: SpanRow; info: TraceInfo; traceStartMs: number }) {
  const { span } = row
  const said = [...messagesIn(span.inputs), ...messagesOut(span.outputs)]
  const attributes = Object.keys(span.attributes).length
  const tabs = [
    ...(said.length > 0 ? [{ id: 'messages' as const, label: 'Messages', count: said.length }] : []),
    { id: 'data' as const, label: 'Input & output' },
    { id: 'attributes' as const, label: 'Attributes', count: attributes },
    ...(span.events.length > 0 ? [{ id: 'events' as const, label: 'Events', count: span.events.length }] : []),
    { id: 'trace' as const, label: 'Trace' },
  ]
  const [wanted, setWanted] = useState<TabId>('messages')
  // The wanted tab is kept while walking the spans, where a span has it.
  const tab = tabs.some((it) => it.id === wanted) ? wanted : (tabs[0]?.id ?? 'data')
  return (
    <section className={styles.panel} aria-label={`Span ${span.name}`}>
      <div className={styles.head}>
        <div className={styles.title}>
          <SpanKind kind={span.kind} />
          <h2 className="truncate">{span.name}</h2>
          <State value={span.status === 'unset' ? (span.endMs === undefined ? 'IN_PROGRESS' : 'OK') : span.status.toUpperCase()} />
        </div>
        <Facts
          items={[
            ['duration', span.endMs === undefined ? 'running' : formatDuration(row.durationMs)],
            ['starts', `+${formatDuration(row.offsetMs)}`],
            ...(span.model ? [['model', span.model] as const] : []),
            ...(span.tokens ? [['tokens', `${formatNumber(span.tokens.input)} in · ${formatNumber(span.tokens.output)} out`] as const] : []),
          ]}
        />
      </div>
      <SpanError span={span} />
      <Tabs label="Span details" tabs={tabs} value={tab} onChange={setWanted} />
      <div className={styles.body} role="tabpanel" aria-label={tab} tabIndex={0}>
        {tab === 'messages' && <Messages messages={said} />}
        {tab === 'data' && (
          <>
            <Value title="Input" value={span.inputs} />
            <Value title="Output" value={span.outputs} />
          </>
        )}
        {tab === 'attributes' && (attributes > 0 ? <Attributes fields={span.attributes} /> : <p className="muted">This span carries no attributes.</p>)}
        {tab === 'events' && span.events.map((event, index) => <Event key={index} event={event} traceStartMs={traceStartMs} />)}
        {tab === 'trace' && <TraceFacts info={info} />}
      </div>
    </section>
  )
}

function SpanError({ span }: { span: Span }) {
  const exception = span.events.find((event) => event.name === 'exception')
  if (span.status !== 'error' && !exception) return null
  const type = textOf(exception?.attributes['exception.type'])
  const message = textOf(exception?.attributes['exception.message'])
  const stack = textOf(exception?.attributes['exception.stacktrace'])
  const words = message ? (type ? `${type}: ${message}` : message) : span.statusMessage || 'This span failed and says no more.'
  return (
    <div className={styles.error} role="alert">
      <div className={styles.errorHead}>
        <TriangleAlert aria-hidden />
        <span>{words}</span>
      </div>
      {stack && (
        <details>
          <summary>Stack trace</summary>
          <Code text={stack} language="python" label="Stack trace" />
        </details>
      )}
    </div>
  )
}

function Value({ title, value }: { title: string; value: JsonValue | undefined }) {
  return (
    <div className={styles.value}>
      <h3>{title}</h3>
      {value === undefined || value === null ? <p className="muted">Nothing recorded.</p> : typeof value === 'string' ? <Code text={value} wrap label={title} /> : <Json value={value} label={title} />}
    </div>
  )
}

function Attributes({ fields }: { fields: Fields }) {
  return (
    <dl className={styles.attributes}>
      {Object.entries(fields)
        .toSorted(([a], [b]) => a.localeCompare(b))
        .map(([key, value]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{typeof value === 'string' ? value : JSON.stringify(value, null, typeof value === 'object' ? 1 : 0)}</dd>
          </div>
        ))}
    </dl>
  )
}

function Event({ event, traceStartMs }: { event: SpanEvent; traceStartMs: number }) {
  const rest = Object.fromEntries(Object.entries(event.attributes).filter(([key]) => key !== 'exception.stacktrace'))
  return (
    <div className={styles.value}>
      <h3>
        {event.name} <span className="faint num">+{formatDuration(event.atMs - traceStartMs)}</span>
      </h3>
      <Attributes fields={rest} />
    </div>
  )
}

const textOf = (value: JsonValue | undefined) => (typeof value === 'string' ? value : undefined)
