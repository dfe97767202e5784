/** Keyboard shortcuts: single keys and two-key sequences such as `g r`, silent while one types. */
import { useEffect, useRef } from 'react'

/** How long the second key of a sequence may take. */
const sequenceMs = 900

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** Cmd on a Mac, Ctrl elsewhere. */
export const isMac = typeof navigator !== 'undefined' && /Mac|iP(hone|ad)/.test(navigator.userAgent)
export const modKey = isMac ? '⌘' : 'Ctrl '

/** `mod+k` works while typing; plain keys do not. Keys are `/`, `?`, `t`, `g r`, `mod+k`. */
export function useKeys(bindings: Record<string, () => void>) {
  const current = useRef(bindings)
  current.current = bindings
  useEffect(() => {
    let first = ''
    let firstAt = 0
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey) return
      const mod = event.metaKey || event.ctrlKey
      if (mod) {
        const action = current.current[`mod+${event.key.toLowerCase()}`]
        if (action) {
          event.preventDefault()
          action()
        }
        return
      }
      if (isTyping(event.target) || document.querySelector('[role=dialog],[role=menu]')) return
      const sequence = `${first} ${event.key}`
      const action = (event.timeStamp - firstAt < sequenceMs && current.current[sequence]) || current.current[event.key]
      first = event.key
      firstAt = event.timeStamp
      if (action) {
        first = ''
        event.preventDefault()
        action()
      }
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
}
