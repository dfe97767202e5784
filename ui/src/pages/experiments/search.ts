/** What the experiments page keeps in its address. */
import { flag, text, type RawSearch } from '../../lib/search'

export type ExperimentsSearch = { q?: string; deleted?: true }

export const validateExperimentsSearch = (raw: RawSearch): ExperimentsSearch => ({ q: text(raw.q), deleted: flag(raw.deleted) })
