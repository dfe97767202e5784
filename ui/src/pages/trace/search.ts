/** What the trace page keeps in its address. */
import { text, type RawSearch } from '../../lib/search'

export type TraceSearch = { /** The chosen span's id. */ span?: string }

export const validateTraceSearch = (raw: RawSearch): TraceSearch => ({ span: text(raw.span) })
