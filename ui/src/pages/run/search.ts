/** What the run page keeps in its address. */
import { flag, number, oneOf, text, type RawSearch } from '../../lib/search'
import { xKinds } from '../runs/search'

export const runTabs = ['overview', 'results', 'charts', 'artifacts', 'traces'] as const

export type RunSearch = { tab?: (typeof runTabs)[number]; path?: string; /** The filter of the traces tab. */ tq?: string; x?: (typeof xKinds)[number]; smooth?: number; log?: true }

export const validateRunSearch = (raw: RawSearch): RunSearch => ({ tab: oneOf(raw.tab, runTabs), path: text(raw.path), tq: text(raw.tq), x: oneOf(raw.x, xKinds), smooth: number(raw.smooth), log: flag(raw.log) })
