/** State kept in the address: plain strings in `?a=b`, parsed by each page's `validate…Search`. */

export type RawSearch = Record<string, unknown>

/** Plain `key=value` pairs instead of JSON, so that addresses can be read. */
export const parseSearch = (search: string): Record<string, string> => Object.fromEntries(new URLSearchParams(search))

export function stringifySearch(search: RawSearch): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(search)) if (value !== undefined && value !== null && value !== '' && value !== false) params.set(key, String(value))
  // Commas, colons and slashes are legal in a query and far easier to read unescaped.
  const text = params.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%2F', '/')
  return text ? `?${text}` : ''
}

export const text = (value: unknown): string | undefined => (value === undefined || value === null || value === '' ? undefined : String(value))
export const flag = (value: unknown): true | undefined => (value === true || value === 'true' || value === '1' ? true : undefined)
export const number = (value: unknown): number | undefined => (text(value) !== undefined && Number.isFinite(Number(value)) ? Number(value) : undefined)

export const oneOf = <T extends string>(value: unknown, options: readonly T[]): T | undefined => options.find((option) => option === value)

const escapeItem = (item: string) => item.replaceAll('%', '%25').replaceAll(',', '%2C')
const unescapeItem = (item: string) => item.replaceAll('%2C', ',').replaceAll('%25', '%')

/** Several values in one: `a,b`. `undefined` is "not said", an empty list is "none". */
export const joinList = (items: string[]): string => (items.length === 0 ? '-' : items.map(escapeItem).join(','))
export const splitList = (joined: string | undefined): string[] => (joined === undefined || joined === '-' ? [] : joined.split(',').map(unescapeItem))
