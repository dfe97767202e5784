/** One column: an endpoint, its settings, and what it answers. */
import { Link } from '@tanstack/react-router'
import { Activity, Braces, CornerDownRight, PenLine, Send, Square, X } from 'lucide-react'
import { useEffect, useRef } from 'react'
import type { Endpoint } from '../../api/gateway'
import { Button, buttonClass, IconButton } from '../../components/Button'
import { CopyButton } from '../../components/Id'
import { Markdown } from '../../components/Markdown'
import { Menu } from '../../components/Menu'
import { WordDiff } from '../../components/WordDiff'
import { formatDuration, formatNumber } from '../../lib/format'
import type { Column } from './draft'
import styles from './ColumnView.module.css'
import { completionTokens, isBusy, tokensPerSecond, type Generation } from './generation'
import { PromptEditor } from './PromptEditor'

type Props = {
  column: Column
  index: number
  endpoints: Endpoint[]
  endpoint: Endpoint
  generation: Generation | undefined
  /** The first column's answer, while differences to it are shown. */
  against: string | undefined
  removable: boolean
  onChange: (column: Column) => void
  onRemove: () => void
  onRun: () => void
  onStop: () => void
  onOwn: () => void
  onContinue: () => void
  onCopy: (kind: 'curl' | 'python') => void
}

export function ColumnView({ column, index, endpoints, endpoint, generation, against, removable, onChange, onRemove, onRun, onStop, onOwn, onContinue, onCopy }: Props) {
  const name = ` of column ${index + 1}`
  return (
    <section className={styles.column} aria-label={`Column ${index + 1}: ${endpoint.name}`}>
      <div className={styles.head}>
        <select className={styles.endpoint} aria-label={`Endpoint${name}`} value={endpoint.name} onChange={(event) => onChange({ ...column, endpoint: event.target.value })}>
          {endpoints.map((it) => (
            <option key={it.name} value={it.name}>
              {it.name}
            </option>
          ))}
        </select>
        <span className="grow" />
        <IconButton label={`Own prompt${name}`} title="Try another wording here, beside the shared one" icon={<PenLine />} pressed={column.own !== null} onClick={onOwn} />
        <Menu
          trigger={<IconButton label={`Copy the call${name}`} icon={<Braces />} />}
          items={[
            { label: 'Copy as curl', onSelect: () => onCopy('curl') },
            { label: 'Copy as Python', onSelect: () => onCopy('python') },
          ]}
        />
        {isBusy(generation) ? <IconButton label={`Stop column ${index + 1}`} icon={<Square />} onClick={onStop} /> : <IconButton label={`Run column ${index + 1}`} icon={<Send />} onClick={onRun} />}
        {removable && <IconButton label={`Remove column ${index + 1}`} icon={<X />} onClick={onRemove} />}
      </div>
      <div className={styles.settings}>
        <label title="Temperature">
          temp
          <input inputMode="decimal" placeholder="–" aria-label={`Temperature${name}`} value={column.temperature} onChange={(event) => onChange({ ...column, temperature: event.target.value })} />
        </label>
        <label>
          max tokens
          <input inputMode="numeric" placeholder="–" aria-label={`Max tokens${name}`} value={column.maxTokens} onChange={(event) => onChange({ ...column, maxTokens: event.target.value })} />
        </label>
      </div>
      {column.own && (
        <div className={styles.prompt}>
          <PromptEditor prompt={column.own} name={name} onChange={(own) => onChange({ ...column, own })} />
        </div>
      )}
      <Output generation={generation} against={against} provider={`${endpoint.model.provider} · ${endpoint.model.name}`} onContinue={onContinue} />
      <Numbers generation={generation} />
    </section>
  )
}

function Output({ generation, against, provider, onContinue }: { generation: Generation | undefined; against: string | undefined; provider: string; onContinue: () => void }) {
  const box = useRef<HTMLDivElement>(null)
  const stick = useRef(true)
  const text = generation?.text
  // Follows the text unless the reader scrolled up.
  useEffect(() => {
    if (stick.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [text])
  return (
    <div
      ref={box}
      className={styles.output}
      tabIndex={0}
      role="region"
      aria-label="Answer"
      aria-busy={isBusy(generation)}
      onScroll={(event) => {
        const it = event.currentTarget
        stick.current = it.scrollHeight - it.scrollTop - it.clientHeight < 40
      }}
    >
      {!generation && <p className={styles.idle}>{provider}</p>}
      {generation?.state === 'waiting' && <p className={styles.waiting}>waiting for the first token</p>}
      {text && (against !== undefined && !isBusy(generation) ? <WordDiff from={against} to={text} /> : <Markdown text={text} />)}
      {generation?.state === 'streaming' && <i className={styles.caret} aria-hidden />}
      {generation?.state === 'done' && !text && <p className="muted">The answer is empty.</p>}
      {generation?.state === 'stopped' && <p className={styles.stopped}>stopped</p>}
      {generation?.error && (
        <p role="alert" className={styles.error}>
          {generation.error}
        </p>
      )}
      {generation && text && !isBusy(generation) && (
        <div className={styles.after}>
          <CopyButton text={text} label="Copy the answer" />
          <Button tone="ghost" icon={<CornerDownRight />} onClick={onContinue}>
            Continue
          </Button>
          {generation.requestId && (
            <Link className={buttonClass('ghost')} to="/traces" search={{ q: `client_request_id = '${generation.requestId}'` }}>
              <Activity aria-hidden /> Trace
            </Link>
          )}
        </div>
      )}
    </div>
  )
}

function Numbers({ generation }: { generation: Generation | undefined }) {
  if (!generation || generation.state === 'waiting' || generation.pieces === 0) return null
  const speed = tokensPerSecond(generation)
  const tokens = completionTokens(generation)
  return (
    <div className={styles.numbers}>
      <Number name="first token" value={formatDuration(generation.ttftMs)} />
      <Number name="speed" value={speed === undefined ? '–' : `${speed >= 100 ? Math.round(speed) : speed.toFixed(1)} tok/s`} />
      <Number name="tokens" value={generation.usage ? `${formatNumber(generation.usage.prompt_tokens ?? 0)} → ${formatNumber(tokens)}` : formatNumber(tokens)} />
      {generation.durationMs !== undefined && <Number name="total" value={formatDuration(generation.durationMs)} />}
      {generation.finish === 'length' && <Number name="at max tokens" value="cut" />}
      {generation.finish && !['stop', 'length'].includes(generation.finish) && <Number name="ended it" value={generation.finish} />}
    </div>
  )
}

const Number = ({ name, value }: { name: string; value: string }) => (
  <span>
    <b>{value}</b> {name}
  </span>
)
