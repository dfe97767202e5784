/** Eight characters of an id; a click copies all of it. */
import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { copyText } from '../lib/browser'
import { shortId } from '../lib/format'
import styles from './Id.module.css'

/** How long the tick stays after copying. */
const tickMs = 1200

export function useCopied(): [boolean, (text: string) => void] {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), tickMs)
    return () => clearTimeout(timer)
  }, [copied])
  return [copied, (text) => void copyText(text).then(setCopied)]
}

export function Id({ value, full = false, label = 'id' }: { value: string; full?: boolean; label?: string }) {
  const [copied, copy] = useCopied()
  return (
    <button type="button" className={styles.id} title={`${value}\nClick to copy`} aria-label={`Copy ${label} ${full ? value : shortId(value)}`} onClick={(event) => (event.stopPropagation(), copy(value))}>
      <span className="truncate">{full ? value : shortId(value)}</span>
      {copied ? <Check /> : <Copy />}
    </button>
  )
}

export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [copied, copy] = useCopied()
  return (
    <button type="button" className={styles.copy} aria-label={label} title={label} onClick={() => copy(text)}>
      {copied ? <Check /> : <Copy />}
      <span role="status" className="sr-only">
        {copied ? 'Copied' : ''}
      </span>
    </button>
  )
}
