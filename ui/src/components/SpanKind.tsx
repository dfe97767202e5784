/** What kind of work a span is: a word in the kind's colour. */
import type { CSSProperties } from 'react'
import styles from './SpanKind.module.css'

const words: Record<string, [word: string, color: string]> = {
  LLM: ['llm', 'var(--c3)'],
  CHAT_MODEL: ['chat', 'var(--c3)'],
  EMBEDDING: ['embed', 'var(--c6)'],
  AGENT: ['agent', 'var(--c1)'],
  CHAIN: ['chain', 'var(--c1)'],
  WORKFLOW: ['flow', 'var(--c1)'],
  TASK: ['task', 'var(--c1)'],
  TOOL: ['tool', 'var(--c2)'],
  RETRIEVER: ['retrieve', 'var(--c5)'],
  RERANKER: ['rerank', 'var(--c5)'],
  PARSER: ['parse', 'var(--c8)'],
  MEMORY: ['memory', 'var(--c8)'],
  GUARDRAIL: ['guard', 'var(--c4)'],
  EVALUATOR: ['judge', 'var(--c4)'],
}

export const kindColor = (kind: string): string => words[kind]?.[1] ?? 'var(--text-3)'

export function SpanKind({ kind }: { kind: string }) {
  const [word, color] = words[kind] ?? [kind === 'UNKNOWN' ? 'span' : kind.toLowerCase(), 'var(--text-2)']
  return (
    <span className={styles.kind} style={{ '--kind': color } as CSSProperties} title={kind}>
      {word}
    </span>
  )
}
