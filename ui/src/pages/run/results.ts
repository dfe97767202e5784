/** What an evaluation leaves in `results.json`: variants with their metrics, gates, and differences to the baseline. */
import { parseJson } from '../../api/client'

export type Score = { value: number | null; ci?: [number, number] | null; rows?: number; of?: number }
export type Variant = { name: string; rows?: number; failed?: number; metrics: Record<string, Score> }
export type Gate = { gate: string; variant: string; verdict: string; found?: string; level?: string; more_rows_needed?: number | null }
export type Difference = { metric: string; variant: string; baseline: string; difference: number; ci?: [number, number] | null }
export type Results = { name: string; task: string; data?: { name?: string; rows?: number }; variants: Variant[]; gates: Gate[]; differences: Difference[] }

/** The parsed results, or undefined when the file holds something else. */
export function parseResults(text: string): Results | undefined {
  let value: unknown
  try {
    value = parseJson(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('variants' in value) || !Array.isArray(value.variants)) return undefined
  const results = value as Partial<Results> & { variants: Variant[] }
  if (!results.variants.every((variant) => typeof variant?.name === 'string' && typeof variant.metrics === 'object')) return undefined
  return { name: results.name ?? '', task: results.task ?? '', data: results.data, variants: results.variants, gates: results.gates ?? [], differences: results.differences ?? [] }
}

/** All metrics in the order the variants report them. */
export const metricNames = (results: Results): string[] => [...new Set(results.variants.flatMap((variant) => Object.keys(variant.metrics)))]

export type GateState = 'pass' | 'warn' | 'fail' | 'inconclusive'

/** A gate that only warns does not fail the suite, and says so. */
export function gateState({ verdict, level }: Gate): GateState {
  if (verdict === 'pass') return 'pass'
  if (verdict === 'inconclusive') return 'inconclusive'
  return level === 'warn' || verdict === 'warn' ? 'warn' : 'fail'
}

/** Whether a difference is told apart from none: its interval leaves zero out. */
export const isClear = ({ ci }: Difference): boolean => Boolean(ci && (ci[0] > 0 || ci[1] < 0))
