/** What a text says differently from another, word by word. */
import { diffWordsWithSpace } from 'diff'
import { useMemo } from 'react'
import styles from './WordDiff.module.css'

/** Comparing longer texts word by word would freeze the page. */
const charactersMax = 40_000

export function WordDiff({ from, to }: { from: string; to: string }) {
  const tooLong = from.length + to.length > charactersMax
  const parts = useMemo(() => (tooLong ? [] : diffWordsWithSpace(from, to)), [from, to, tooLong])
  if (tooLong) return <p className="muted">These texts are too long to be compared word by word.</p>
  if (from === to) return <p className="muted">The same, word for word.</p>
  return (
    <div className={styles.diff}>
      {parts.map((part, index) => (part.added ? <ins key={index}>{part.value}</ins> : part.removed ? <del key={index}>{part.value}</del> : <span key={index}>{part.value}</span>))}
    </div>
  )
}
