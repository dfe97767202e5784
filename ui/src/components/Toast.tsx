/** A short word at the bottom of the page about something that just happened. */
import { useSyncExternalStore } from 'react'
import styles from './Toast.module.css'

type Message = { id: number; text: string; bad: boolean }

/** Long enough to read a sentence. */
const shownMs = 5000

let messages: Message[] = []
let nextId = 1
const listeners = new Set<() => void>()
const publish = (next: Message[]) => {
  messages = next
  for (const listener of listeners) listener()
}

export function toast(text: string, bad = false) {
  const id = nextId
  nextId += 1
  publish([...messages.slice(-2), { id, text, bad }])
  setTimeout(() => publish(messages.filter((message) => message.id !== id)), shownMs)
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => messages)
  return (
    <div className={styles.stack} role="status" aria-live="polite">
      {shown.map((message) => (
        <div key={message.id} className={`${styles.toast} ${message.bad ? styles.bad : ''}`}>
          {message.text}
        </div>
      ))}
    </div>
  )
}
