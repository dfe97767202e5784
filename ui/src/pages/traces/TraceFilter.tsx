/** The filter over traces: MLflow's grammar, with the server's own words when it does not parse. */
import { Filter as FilterIcon, ListFilter, X } from 'lucide-react'
import { useId, useState } from 'react'
import { messageOf } from '../../api/client'
import { Button, IconButton } from '../../components/Button'
import { Menu } from '../../components/Menu'
import styles from './TraceFilter.module.css'

/** Filters people ask for most, as they are written. */
const examples: [label: string, filter: string][] = [
  ['Only errors', "status = 'ERROR'"],
  ['Slower than a second', 'execution_time_ms > 1000'],
  ['Text anywhere in the trace', "trace.text LIKE '%hello%'"],
  ['One name', "name = 'chat'"],
  ['Has a tool call', "span.type = 'TOOL'"],
]

export function TraceFilter({ value, onChange, error, busy }: { value: string | undefined; onChange: (filter: string | undefined) => void; error: unknown; busy: boolean }) {
  const [text, setText] = useState(value ?? '')
  const note = useId()
  // The address may change by other ways than typing: an example, the back button.
  const [seen, setSeen] = useState(value)
  if (seen !== value) {
    setSeen(value)
    setText(value ?? '')
  }
  const apply = (next: string) => onChange(next.trim() || undefined)
  return (
    <div className={styles.bar}>
      <form
        className={styles.form}
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          apply(text)
        }}
      >
        <div className={`${styles.field} ${error ? styles.wrong : ''}`}>
          <FilterIcon aria-hidden className={busy ? styles.busy : ''} />
          <input
            data-filter
            value={text}
            spellCheck={false}
            autoComplete="off"
            aria-label="Filter traces"
            placeholder={examples.slice(0, 2).map(([, filter]) => filter).join(' AND ')}
            aria-invalid={error ? true : undefined}
            aria-describedby={error ? note : undefined}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Escape') event.currentTarget.blur()
            }}
          />
          {text ? <IconButton label="Clear the filter" icon={<X />} onClick={() => (setText(''), apply(''))} className={styles.clear} /> : <kbd>/</kbd>}
        </div>
        <Menu
          trigger={<Button icon={<ListFilter />}>Examples</Button>}
          items={examples.map(([label, filter]) => ({
            label: (
              <>
                {label}
                <br />
                <code className="faint">{filter}</code>
              </>
            ),
            onSelect: () => apply(filter),
          }))}
        />
      </form>
      {error !== undefined && (
        <p id={note} role="alert" className={styles.error}>
          {messageOf(error)}
        </p>
      )}
    </div>
  )
}
