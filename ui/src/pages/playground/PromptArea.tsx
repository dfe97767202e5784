/** A text box that grows with its text and marks `{{variables}}`. */
import { useId } from 'react'
import styles from './PromptArea.module.css'

type Props = { label: string; value: string; placeholder?: string; onChange: (value: string) => void }

export function PromptArea({ label, value, placeholder, onChange }: Props) {
  const id = useId()
  const parts = value.split(/(\{\{\s*[A-Za-z_][\w.-]*\s*\}\})/)
  return (
    <div className={styles.area}>
      <label htmlFor={id} className="sr-only">
        {label}
      </label>
      {/* Behind the text: the same words, invisible, with their variables marked. It also gives the box its height. */}
      <pre aria-hidden className={styles.marks}>
        {parts.map((part, index) => (index % 2 === 1 ? <mark key={index}>{part}</mark> : part))}
        {'\n'}
      </pre>
      <textarea id={id} value={value} placeholder={placeholder} spellCheck={false} onChange={(event) => onChange(event.target.value)} />
    </div>
  )
}
