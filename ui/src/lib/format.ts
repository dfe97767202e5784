/** How numbers, durations, ages and ids are written everywhere in the app. */

const thin = '\u202f'
const minus = '\u2212'
/** MLflow stores infinities as the largest finite double. */
const largest = 1.7976931348623157e308

const group = (digits: string) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, thin)

/** Four significant digits; the exact value belongs in a tooltip. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  if (Number.isNaN(value)) return 'NaN'
  const size = Math.abs(value)
  const sign = value < 0 ? minus : ''
  if (size >= largest) return `${sign}∞`
  if (Number.isInteger(value) && size < 1e7) return sign + (size >= 10_000 ? group(String(size)) : String(size))
  if (size >= 1e7 || size < 1e-4) {
    const [mantissa, exponent] = size.toExponential(3).split('e') as [string, string]
    return `${sign}${mantissa.replace(/\.?0+$/, '')}e${exponent.replace('+', '').replace('-', minus)}`
  }
  if (size >= 10_000) return sign + group(String(Math.round(size)))
  return sign + size.toPrecision(4).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')
}

/** A formatter for one column: the same number of decimals in every row, so that the points line up. */
export function columnFormat(values: (number | undefined)[]): (value: number | null | undefined) => string {
  const sizes = values.filter((value): value is number => value !== undefined && Number.isFinite(value) && Math.abs(value) < largest)
  const largestHere = Math.max(0, ...sizes.map(Math.abs))
  const smallest = Math.min(Infinity, ...sizes.map(Math.abs).filter((size) => size > 0))
  const aligned = sizes.length > 0 && largestHere < 1e5 && largestHere >= 1e-3 && smallest >= 1e-6 && largestHere / smallest < 1e4
  if (!aligned || sizes.every(Number.isInteger)) return formatNumber
  const decimals = Math.min(5, Math.max(0, 3 - Math.floor(Math.log10(largestHere))))
  return (value) => {
    if (value === null || value === undefined || !Number.isFinite(value) || Math.abs(value) >= largest) return formatNumber(value)
    if (value === 0) return '0'
    const [whole, rest] = Math.abs(value).toFixed(decimals).split('.') as [string, string?]
    return `${value < 0 ? minus : ''}${whole.length > 4 ? group(whole) : whole}${rest ? `.${rest}` : ''}`
  }
}

/** A change against a baseline, with its sign. */
export function formatDelta(delta: number): string {
  if (delta === 0) return '±0'
  return `${delta > 0 ? '+' : ''}${formatNumber(delta)}`
}

const two = (value: number) => String(value).padStart(2, '0')

/** `587 ms`, `1.2 s`, `3 m 04 s`, `2 h 05 m`, `3 d 4 h`. */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms) || ms < 0) return '–'
  if (ms < 1) return ms === 0 ? '0 ms' : `${ms.toPrecision(2)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`
  const hours = Math.floor(minutes / 60)
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `now`, `4 min`, `3 h`, `6 d`, then the date. */
export function formatAge(time: number | null | undefined, now: number = Date.now()): string {
  if (!time) return '–'
  const seconds = (now - time) / 1000
  if (seconds < 45) return 'now'
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min`
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h`
  if (seconds < 14 * 86_400) return `${Math.round(seconds / 86_400)} d`
  const date = new Date(time)
  const year = date.getFullYear() === new Date(now).getFullYear() ? '' : ` ${date.getFullYear()}`
  return `${date.getDate()} ${months[date.getMonth()]}${year}`
}

/** The exact local time, for tooltips: `2026-11-24 19:32:49`. */
export function formatTime(time: number | null | undefined): string {
  if (!time) return '–'
  const it = new Date(time)
  return `${it.getFullYear()}-${two(it.getMonth() + 1)}-${two(it.getDate())} ${two(it.getHours())}:${two(it.getMinutes())}:${two(it.getSeconds())}`
}

/** `812 B`, `4.2 kB`, `13 MB`. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || Number.isNaN(bytes)) return '–'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let size = bytes
  let unit = 0
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000
    unit += 1
  }
  return `${unit > 0 && size < 9.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}

/** `$0.0111`, `$1.20`, `$0`; small sums keep two significant digits. */
export function formatCost(usd: number | null | undefined): string {
  if (usd === null || usd === undefined || Number.isNaN(usd)) return '–'
  if (usd === 0) return '$0'
  if (usd >= 0.995) return `$${usd.toFixed(2)}`
  return `$${Number(usd.toPrecision(3)).toFixed(Math.max(4, 1 - Math.floor(Math.log10(usd))))}`
}

/** `1 run`, `12 500 runs`. */
export function count(amount: number, noun: string, plural = `${noun}s`): string {
  return `${amount >= 10_000 ? group(String(amount)) : amount} ${amount === 1 ? noun : plural}`
}

/** The first eight characters: enough to tell ids apart, short enough to read. */
export const shortId = (id: string): string => id.replace(/^(tr-|m-|exp-)/, '').slice(0, 8)
