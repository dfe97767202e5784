/** Facts about one thing, a line each: a faint name left, its value right. */
import type { ReactNode } from 'react'
import styles from './Details.module.css'

export function Details({ items }: { items: Record<string, ReactNode> }) {
  return (
    <dl className={styles.details}>
      {Object.entries(items).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
