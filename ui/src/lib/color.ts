/** Data colours: eight per theme, given to things by their place or by their name. */

const dataColors = 8

/** The CSS variable for the n-th thing on screen. */
export const colorAt = (index: number): string => `var(--c${(((index % dataColors) + dataColors) % dataColors) + 1})`

/** A stable colour for a name or id, whatever its place in a list. */
export function colorOf(name: string): string {
  let hash = 0
  for (const char of name) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0
  return colorAt(hash)
}

/** The colour a variable stands for now: a canvas cannot read `var(--c1)`. */
export function resolveColor(color: string): string {
  const name = /^var\((--[\w-]+)\)$/.exec(color)?.[1]
  return name ? getComputedStyle(document.documentElement).getPropertyValue(name).trim() || '#888' : color
}
