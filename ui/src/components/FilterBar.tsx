/** The filter line: MLflow's grammar with completion; the server's complaint appears right below. */
import { ListFilter, X } from 'lucide-react'
import { useId, useRef, useState, type KeyboardEvent } from 'react'
import { complete, suggest, type Vocabulary } from '../lib/filter'
import styles from './FilterBar.module.css'

type Props = { value: string; onApply: (filter: string) => void; vocabulary: Vocabulary; error?: string; placeholder: string }

export function FilterBar({ value, onApply, vocabulary, error, placeholder }: Props) {
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  const [text, setText] = useState(value)
  const [caret, setCaret] = useState(value.length)
  const [open, setOpen] = useState(false)
  const [active, setActive] = useState(-1)
  const [applied, setApplied] = useState(value)
  if (applied !== value) {
    // The address changed under the input, by a link or the back button.
    setApplied(value)
    setText(value)
  }

  const suggestions = open ? suggest(text, caret, vocabulary) : []
  const take = (index: number) => {
    const chosen = suggestions[index]
    if (!chosen) return
    const next = complete(text, caret, chosen)
    setText(next.text)
    setCaret(next.caret)
    setActive(-1)
    requestAnimationFrame(() => {
      input.current?.focus()
      input.current?.setSelectionRange(next.caret, next.caret)
    })
  }
  const apply = (filter: string) => {
    setOpen(false)
    setActive(-1)
    onApply(filter.trim())
  }
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const count = suggestions.length
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      if (!open) setOpen(true)
      else if (count > 0) setActive((it) => (event.key === 'ArrowDown' ? (it + 1) % count : (it <= 0 ? count : it) - 1))
    } else if (event.key === 'Tab' && open && active >= 0) {
      event.preventDefault()
      take(active)
    } else if (event.key === 'Enter') {
      event.preventDefault()
      if (active >= 0) take(active)
      else apply(text)
    } else if (event.key === 'Escape') {
      if (open && count > 0) setOpen(false)
      else {
        setText(value)
        event.currentTarget.blur()
      }
    }
  }
  const track = () => setCaret(input.current?.selectionStart ?? text.length)

  return (
    <div className={styles.wrap}>
      <div className={styles.box} data-bad={Boolean(error) || undefined}>
        <ListFilter />
        <input
          ref={input}
          data-filter
          role="combobox"
          aria-label="Filter"
          aria-expanded={suggestions.length > 0}
          aria-controls={`${id}-list`}
          aria-activedescendant={active >= 0 ? `${id}-${active}` : undefined}
          aria-invalid={Boolean(error) || undefined}
          aria-describedby={error ? `${id}-error` : undefined}
          autoComplete="off"
          spellCheck={false}
          placeholder={placeholder}
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            setCaret(event.target.selectionStart ?? event.target.value.length)
            setOpen(true)
            setActive(-1)
          }}
          onFocus={() => setOpen(true)}
          onBlur={() => {
            setOpen(false)
            if (text.trim() !== value) apply(text)
          }}
          onClick={track}
          onKeyUp={track}
          onKeyDown={onKeyDown}
        />
        {text ? (
          <button type="button" aria-label="Clear the filter" title="Clear" onMouseDown={(event) => event.preventDefault()} onClick={() => (setText(''), apply(''))}>
            <X />
          </button>
        ) : (
          <kbd>/</kbd>
        )}
      </div>
      {suggestions.length > 0 && (
        <div id={`${id}-list`} role="listbox" aria-label="Suggestions" className={styles.list}>
          {suggestions.map((it, index) => (
            <div key={`${it.note}${it.label}`} id={`${id}-${index}`} role="option" tabIndex={-1} aria-selected={index === active} className={styles.option} onMouseMove={() => setActive(index)} onMouseDown={(event) => (event.preventDefault(), take(index))}>
              <span className="truncate grow">{it.label}</span>
              {it.note && <span className={styles.note}>{it.note}</span>}
            </div>
          ))}
        </div>
      )}
      {error && (
        <div id={`${id}-error`} role="alert" className={styles.error}>
          {error}
        </div>
      )}
    </div>
  )
}
