/** Chooses the columns of the runs table. */
import { Columns3 } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../../components/Button'
import { Popover } from '../../components/Popover'
import { keyId, type Key } from '../../lib/vary'
import styles from './ColumnPicker.module.css'

type Props = { all: Key[]; shown: Key[]; isDefault: boolean; onChange: (ids: string[] | undefined) => void }

const titles = { metrics: 'Metrics', params: 'Parameters', tags: 'Tags' }

export function ColumnPicker({ all, shown, isDefault, onChange }: Props) {
  const [search, setSearch] = useState('')
  const on = new Set(shown.map(keyId))
  const matching = all.filter((key) => key.key.toLowerCase().includes(search.trim().toLowerCase()))
  const toggle = (key: Key) => {
    const id = keyId(key)
    onChange(on.has(id) ? [...on].filter((it) => it !== id) : [...on, id])
  }
  return (
    <Popover
      width={280}
      trigger={
        <Button icon={<Columns3 />} title="Columns">
          {shown.length}
          <span className="sr-only">columns</span>
        </Button>
      }
    >
      <div className={styles.head}>
        <input type="search" className={styles.search} aria-label="Search columns" placeholder="Search columns" value={search} onChange={(event) => setSearch(event.target.value)} />
        <Button disabled={isDefault} onClick={() => onChange(undefined)} title="Show the columns that vary">
          Varying
        </Button>
      </div>
      {(['metrics', 'params', 'tags'] as const).map((kind) => {
        const keys = matching.filter((key) => key.kind === kind)
        if (keys.length === 0) return null
        return (
          <fieldset key={kind} className={styles.group}>
            <legend>{titles[kind]}</legend>
            {keys.map((key) => (
              <label key={key.key} className={styles.row}>
                <input type="checkbox" checked={on.has(keyId(key))} onChange={() => toggle(key)} />
                <span className="truncate" title={key.key}>
                  {key.key}
                </span>
              </label>
            ))}
          </fieldset>
        )
      })}
      {matching.length === 0 && <p className={styles.none}>No column is called “{search}”.</p>}
    </Popover>
  )
}
