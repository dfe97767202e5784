/** Two panes with a divider that is dragged or moved by the arrow keys; its place is remembered. */
import { useRef, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'
import { useStored } from '../lib/browser'
import styles from './Split.module.css'

type Props = { id: string; left: ReactNode; right: ReactNode; initial?: number; label: string }

/** Neither pane may vanish. */
const smallest = 20
const largest = 80

export function Split({ id, left, right, initial = 56, label }: Props) {
  const [stored, setStored] = useStored(`tidegate.split.${id}`, String(initial))
  const frame = useRef<HTMLDivElement>(null)
  const share = Math.min(largest, Math.max(smallest, Number(stored) || initial))
  const drag = (event: PointerEvent) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || !frame.current) return
    const box = frame.current.getBoundingClientRect()
    setStored((((event.clientX - box.left) / box.width) * 100).toFixed(1))
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowLeft' ? -2 : event.key === 'ArrowRight' ? 2 : 0
    if (!step) return
    event.preventDefault()
    setStored(String(Math.min(largest, Math.max(smallest, share + step))))
  }
  return (
    <div ref={frame} className={styles.split} style={{ gridTemplateColumns: `minmax(0, ${share}fr) 1px minmax(0, ${100 - share}fr)` }}>
      <div className={styles.pane}>{left}</div>
      {/* A focusable separator is the ARIA pattern for a movable divider. */}
      <div role="separator" aria-label={label} aria-orientation="vertical" aria-valuenow={Math.round(share)} aria-valuemin={smallest} aria-valuemax={largest} tabIndex={0} className={styles.divider} onKeyDown={onKeyDown} onDoubleClick={() => setStored(String(initial))} onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)} onPointerMove={drag} />
      <div className={styles.pane}>{right}</div>
    </div>
  )
}
