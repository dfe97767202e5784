/** Tabs as a row of words; each may be a link, since which tab is open belongs in the address. */
import type { KeyboardEvent, ReactNode } from 'react'
import styles from './Tabs.module.css'

export type Tab<Id extends string> = { id: Id; label: ReactNode; count?: ReactNode }

export function Tabs<Id extends string>({ label, tabs, value, onChange, end }: { label: string; tabs: Tab<Id>[]; value: Id; onChange: (id: Id) => void; end?: ReactNode }) {
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (!step) return
    event.preventDefault()
    const at = tabs.findIndex((tab) => tab.id === value)
    const next = tabs[(at + step + tabs.length) % tabs.length]
    if (!next) return
    onChange(next.id)
    event.currentTarget.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus()
  }
  return (
    <div className={styles.bar}>
      <div role="tablist" aria-label={label} className={styles.tabs} onKeyDown={onKeyDown} tabIndex={-1}>
        {tabs.map((tab) => (
          <button key={tab.id} type="button" role="tab" data-tab={tab.id} aria-selected={tab.id === value} tabIndex={tab.id === value ? 0 : -1} className={styles.tab} onClick={() => onChange(tab.id)}>
            {tab.label}
            {tab.count !== undefined && <span className={styles.count}>{tab.count}</span>}
          </button>
        ))}
      </div>
      {end}
    </div>
  )
}
