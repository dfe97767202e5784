/** Tags as an editable list: change, remove, add. */
import { Plus, X } from 'lucide-react'
import { useState } from 'react'
import { messageOf } from '../api/client'
import type { Tag } from '../api/types'
import { Button } from './Button'
import styles from './TagEditor.module.css'
import { toast } from './Toast'

type Props = { tags: Tag[]; onSet: (key: string, value: string) => Promise<unknown>; onDelete: (key: string) => Promise<unknown> }

export function TagEditor({ tags, onSet, onDelete }: Props) {
  const [key, setKey] = useState('')
  const [value, setValue] = useState('')
  const attempt = async (work: Promise<unknown>) => {
    try {
      await work
      return true
    } catch (error) {
      toast(messageOf(error), true)
      return false
    }
  }
  const add = async () => {
    if (!key.trim() || !(await attempt(onSet(key.trim(), value)))) return
    setKey('')
    setValue('')
  }
  return (
    <div className={styles.editor}>
      {tags.map((tag) => (
        <span key={tag.key} className={styles.tag}>
          <span className={styles.key}>{tag.key}</span>
          <span className={styles.value} title={tag.value}>
            {tag.value}
          </span>
          <button type="button" aria-label={`Remove tag ${tag.key}`} title="Remove" onClick={() => void attempt(onDelete(tag.key))}>
            <X />
          </button>
        </span>
      ))}
      <form
        className={styles.add}
        onSubmit={(event) => {
          event.preventDefault()
          void add()
        }}
      >
        <input aria-label="Tag key" placeholder="key" value={key} onChange={(event) => setKey(event.target.value)} />
        <input aria-label="Tag value" placeholder="value" value={value} onChange={(event) => setValue(event.target.value)} />
        <Button type="submit" tone="ghost" icon={<Plus />} aria-label="Add tag" title="Add tag" disabled={!key.trim()} />
      </form>
    </div>
  )
}
