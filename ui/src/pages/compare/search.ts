/** What the compare page keeps in its address. */
import { flag, number, oneOf, text, type RawSearch } from '../../lib/search'
import { xKinds } from '../runs/search'

/** Columns one can still read side by side. */
export const compareMax = 24

export type CompareSearch = { runs?: string; base?: string; all?: true; x?: (typeof xKinds)[number]; smooth?: number; log?: true }

export const validateCompareSearch = (raw: RawSearch): CompareSearch => ({ runs: text(raw.runs), base: text(raw.base), all: flag(raw.all), x: oneOf(raw.x, xKinds), smooth: number(raw.smooth), log: flag(raw.log) })
