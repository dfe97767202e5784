/** What the playground can be opened from. */
import { text, type RawSearch } from '../../lib/search'

export type PlaygroundSearch = { /** Replays this trace's conversation… */ trace?: string; /** …as this span had it. */ span?: string; /** Opens with this endpoint. */ endpoint?: string }

export const validatePlaygroundSearch = (raw: RawSearch): PlaygroundSearch => ({ trace: text(raw.trace), span: text(raw.span), endpoint: text(raw.endpoint) })
