/** A small word in a box: a kind, a key, a tag. */
import type { ReactNode } from 'react'
import styles from './Chip.module.css'

export function Chip({ children, title, color }: { children: ReactNode; title?: string; color?: string }) {
  return (
    <span className={styles.chip} title={title} style={color ? { color, background: `color-mix(in srgb, ${color} 13%, transparent)` } : undefined}>
      {children}
    </span>
  )
}

/** `key value`, the key paler. */
export function KeyValue({ name, value }: { name: string; value: string }) {
  return (
    <span className={styles.chip} title={`${name} = ${value}`}>
      <span className={styles.key}>{name}</span>
      <span className="truncate">{value}</span>
    </span>
  )
}

export function Dot({ color, size = 8 }: { color: string; size?: number }) {
  return <i className={styles.dot} style={{ background: color, width: size, height: size }} />
}
