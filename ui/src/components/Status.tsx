/** A state is always an icon and a word, never colour alone. */
import { Check, CircleDashed, CircleSlash, LoaderCircle, X } from 'lucide-react'
import type { ReactNode } from 'react'
import styles from './Status.module.css'

export type Tone = 'ok' | 'quiet' | 'warn' | 'bad' | 'info' | 'muted'

export function Status({ tone, icon, children }: { tone: Tone; icon?: ReactNode; children: ReactNode }) {
  return (
    <span className={`${styles.status} ${styles[tone]}`}>
      {icon}
      {children}
    </span>
  )
}

const states: Record<string, { tone: Tone; word: string; icon: ReactNode }> = {
  FINISHED: { tone: 'quiet', word: 'finished', icon: <Check /> },
  OK: { tone: 'quiet', word: 'ok', icon: <Check /> },
  RUNNING: { tone: 'info', word: 'running', icon: <LoaderCircle className={styles.spin} /> },
  IN_PROGRESS: { tone: 'info', word: 'in progress', icon: <LoaderCircle className={styles.spin} /> },
  SCHEDULED: { tone: 'muted', word: 'scheduled', icon: <CircleDashed /> },
  FAILED: { tone: 'bad', word: 'failed', icon: <X /> },
  ERROR: { tone: 'bad', word: 'error', icon: <X /> },
  KILLED: { tone: 'warn', word: 'killed', icon: <CircleSlash /> },
}

/** The status of a run or the state of a trace, by the server's own name for it. */
export function State({ value }: { value: string | undefined }) {
  const state = states[value ?? '']
  if (!state) return <Status tone="muted">{value?.toLowerCase().replaceAll('_', ' ') || '–'}</Status>
  return (
    <Status tone={state.tone} icon={state.icon}>
      {state.word}
    </Status>
  )
}
