/** What a page says when there is nothing, or something went wrong. */
import type { ReactNode } from 'react'
import { ApiError, messageOf } from '../api/client'
import { Button } from './Button'
import styles from './Empty.module.css'

/** Teaches with the one next step; `children` holds it, often a `Code` to copy. */
export function Empty({ title, text, children }: { title: string; text?: ReactNode; children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <div className={styles.inner}>
        <h2>{title}</h2>
        {text && <p className="muted">{text}</p>}
        {children}
      </div>
    </div>
  )
}

/** Says what failed, in the server's own words, with a way to try again. */
export function Failure({ error, what, onRetry }: { error: unknown; what: string; onRetry?: () => void }) {
  const code = error instanceof ApiError && error.code ? error.code : undefined
  return (
    <div role="alert" className={styles.empty}>
      <div className={styles.inner}>
        <h2>Could not load {what}</h2>
        <p className={styles.message}>{messageOf(error)}</p>
        {code && <p className="faint num">{code}</p>}
        {onRetry && !(error instanceof ApiError && error.status === 404) && (
          <div>
            <Button onClick={onRetry}>Try again</Button>
          </div>
        )}
      </div>
    </div>
  )
}

/** Appears only when the wait is long enough to be noticed. */
export function Loading({ lines = 6 }: { lines?: number }) {
  return (
    <div className={styles.loading} role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <i key={index} style={{ width: `${88 - ((index * 17) % 45)}%` }} />
      ))}
    </div>
  )
}
