/** Labelled inputs; the hint or error below belongs to the input for assistive technology too. */
import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react'
import styles from './Field.module.css'

type Common = { label: ReactNode; hint?: ReactNode; error?: string; hideLabel?: boolean; mono?: boolean }
type InputProps = Common & InputHTMLAttributes<HTMLInputElement>
type AreaProps = Common & TextareaHTMLAttributes<HTMLTextAreaElement>
type SelectProps = Common & SelectHTMLAttributes<HTMLSelectElement> & { options: { value: string; label: string }[] }

function Frame({ id, label, hint, error, hideLabel, children }: Common & { id: string; children: ReactNode }) {
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={hideLabel ? 'sr-only' : styles.label}>
        {label}
      </label>
      {children}
      {(error ?? hint) && (
        <div id={`${id}-note`} className={error ? styles.error : styles.hint} role={error ? 'alert' : undefined}>
          {error ?? hint}
        </div>
      )}
    </div>
  )
}

const noteId = (id: string, { hint, error }: Common) => (hint || error ? `${id}-note` : undefined)

export function Field({ label, hint, error, hideLabel, mono, className = '', ...rest }: InputProps) {
  const id = useId()
  const common = { label, hint, error, hideLabel }
  return (
    <Frame id={id} {...common}>
      <input id={id} autoComplete="off" spellCheck={false} {...rest} aria-invalid={Boolean(error) || undefined} aria-describedby={noteId(id, common)} className={`${styles.input} ${mono ? styles.mono : ''} ${className}`} />
    </Frame>
  )
}

export function TextArea({ label, hint, error, hideLabel, mono, className = '', ...rest }: AreaProps) {
  const id = useId()
  const common = { label, hint, error, hideLabel }
  return (
    <Frame id={id} {...common}>
      <textarea id={id} spellCheck={false} rows={4} {...rest} aria-invalid={Boolean(error) || undefined} aria-describedby={noteId(id, common)} className={`${styles.input} ${styles.area} ${mono ? styles.mono : ''} ${className}`} />
    </Frame>
  )
}

export function Select({ label, hint, error, hideLabel, mono, options, className = '', ...rest }: SelectProps) {
  const id = useId()
  const common = { label, hint, error, hideLabel }
  return (
    <Frame id={id} {...common}>
      <select id={id} {...rest} aria-describedby={noteId(id, common)} className={`${styles.input} ${styles.select} ${mono ? styles.mono : ''} ${className}`}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </Frame>
  )
}

export function Checkbox({ label, ...rest }: { label: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className={styles.check}>
      <input type="checkbox" {...rest} />
      <span>{label}</span>
    </label>
  )
}
