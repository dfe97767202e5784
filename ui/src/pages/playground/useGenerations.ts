/** The answers of all columns, redrawn at most once a frame however fast the tokens come. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { Call } from '../../api/gateway'
import { generate, isBusy, type Generation } from './generation'

export function useGenerations() {
  const [shown, setShown] = useState<ReadonlyMap<string, Generation>>(new Map())
  const latest = useRef(new Map<string, Generation>())
  const stops = useRef(new Map<string, AbortController>())
  const frame = useRef(0)

  const show = useCallback(() => {
    cancelAnimationFrame(frame.current)
    frame.current = 0
    setShown(new Map(latest.current))
  }, [])

  const stop = useCallback((column: string) => stops.current.get(column)?.abort(), [])

  const start = useCallback(
    (column: string, endpoint: string, call: Call) => {
      stops.current.get(column)?.abort()
      const controller = new AbortController()
      stops.current.set(column, controller)
      void generate(endpoint, call, controller.signal, (generation) => {
        // A newer answer of this column has taken over.
        if (stops.current.get(column) !== controller) return
        latest.current.set(column, generation)
        // A hidden tab has no frames, so states that stay are drawn at once.
        if (generation.state !== 'streaming') show()
        else if (frame.current === 0) frame.current = requestAnimationFrame(show)
      })
    },
    [show],
  )

  const fail = useCallback(
    (column: string, endpoint: string, error: string) => {
      latest.current.set(column, { state: 'failed', endpoint, call: { path: '', body: {} }, text: '', pieces: 0, elapsedMs: 0, error })
      show()
    },
    [show],
  )

  const forget = useCallback(
    (column: string) => {
      stops.current.get(column)?.abort()
      stops.current.delete(column)
      latest.current.delete(column)
      show()
    },
    [show],
  )

  // Leaving the page hangs up, so that nothing is generated for nobody.
  useEffect(() => {
    const running = stops.current
    return () => {
      cancelAnimationFrame(frame.current)
      for (const controller of running.values()) controller.abort()
    }
  }, [])

  return { generations: shown, busy: [...shown.values()].some(isBusy), start, stop, fail, forget }
}
