/** Code to read or copy: highlighted, in the theme's own colours. */
import { useMemo } from 'react'
import { highlight, type Language } from '../lib/highlight'
import styles from './Code.module.css'
import { CopyButton } from './Id'

type Props = { text: string; language?: Language; copy?: boolean; wrap?: boolean; bare?: boolean; label?: string }

export function Code({ text, language = 'plaintext', copy = true, wrap = false, bare = false, label = 'Code' }: Props) {
  const html = useMemo(() => highlight(text, language), [text, language])
  return (
    <div className={`${styles.frame} ${bare ? styles.bare : ''}`}>
      <pre className={`${styles.code} ${wrap ? styles.wrap : ''}`} tabIndex={0} aria-label={label} dangerouslySetInnerHTML={{ __html: html }} />
      {copy && (
        <span className={styles.copy}>
          <CopyButton text={text} />
        </span>
      )}
    </div>
  )
}

/** A value as indented JSON; text that is JSON is parsed first. */
export function Json({ value, ...rest }: { value: unknown } & Omit<Props, 'text' | 'language'>) {
  const text = useMemo(() => (typeof value === 'string' ? prettyJson(value) : JSON.stringify(value, null, 2)) ?? 'null', [value])
  return <Code text={text} language="json" wrap {...rest} />
}

export function prettyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
