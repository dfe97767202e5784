/** A few short facts in one line: a faint name and its value. */
import type { ReactNode } from 'react'
import styles from './Facts.module.css'

export function Facts({ items }: { items: (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className={styles.facts}>
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
