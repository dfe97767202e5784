/** What the gateway page keeps in its address. */
import { text, type RawSearch } from '../../lib/search'

export type GatewaySearch = { /** The endpoint that is open. */ endpoint?: string }

export const validateGatewaySearch = (raw: RawSearch): GatewaySearch => ({ endpoint: text(raw.endpoint) })
