/** What the traces page keeps in its address. */
import { text, type RawSearch } from '../../lib/search'

export type TracesSearch = { /** The filter, in MLflow's grammar. */ q?: string }

export const validateTracesSearch = (raw: RawSearch): TracesSearch => ({ q: text(raw.q) })
