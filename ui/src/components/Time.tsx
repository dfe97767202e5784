/** An age that keeps itself current; the exact time is its tooltip. */
import { useEffect, useState } from 'react'
import { formatAge, formatTime } from '../lib/format'

/** Ages are at most this stale. */
const tickMs = 30_000

export function Age({ time, suffix = false }: { time: number | undefined; suffix?: boolean }) {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), tickMs)
    return () => clearInterval(timer)
  }, [])
  if (!time) return <span className="faint">–</span>
  const age = formatAge(time, Math.max(now, time))
  return <time title={formatTime(time)} dateTime={new Date(time).toISOString()}>{suffix && /(min|h|d)$/.test(age) ? `${age} ago` : age}</time>
}
