/** Helps to write MLflow's filter language: what may come next at the caret. */

export type Suggestion = { insert: string; label: string; note?: string }
export type Vocabulary = { metrics: string[]; params: Map<string, string[]>; tags: string[] }

const attributes = ['run_name', 'status', 'start_time', 'end_time', 'user_id', 'run_id', 'artifact_uri']
const statuses = ['RUNNING', 'FINISHED', 'FAILED', 'KILLED', 'SCHEDULED']
/** A list longer than this is not read but narrowed by typing. */
const shown = 12

/** A key as the grammar wants it: bare when it is a word, in double quotes otherwise. */
export const quoteKey = (key: string): string => (/^[A-Za-z_]\w*$/.test(key) ? key : key.includes('"') ? `\`${key}\`` : `"${key}"`)

/** `metrics."val/acc"`: what filters and order_by call it. */
export const fieldName = (kind: string, key: string): string => `${kind}.${quoteKey(key)}`

const unquote = (key: string) => key.replace(/^["`]|["`]$/g, '')

/** The piece of the filter being written: from the last boundary outside quotes to the caret. */
export function pieceAt(text: string, caret: number): { start: number; piece: string } {
  let quote = ''
  let start = 0
  for (let at = 0; at < caret; at += 1) {
    const char = text[at] ?? ''
    if (quote) {
      if (char === quote) quote = ''
    } else if (char === "'" || char === '"' || char === '`') quote = char
    else if (/[\s(),]/.test(char)) start = at + 1
  }
  return { start, piece: text.slice(start, caret) }
}

const comparison = /((?:metrics?|params?|tags?|attributes?|attr)\.(?:"[^"]*"|`[^`]*`|[\w.]+)|run_name|status|start_time|end_time|user_id|run_id)\s*(=|!=|>=|<=|>|<|LIKE|ILIKE)\s*$/i
const field = /((?:metrics?|params?|tags?|attributes?|attr)\.(?:"[^"]*"|`[^`]*`|[\w.]+)|run_name|status|start_time|end_time|user_id|run_id)\s*$/i

export function suggest(text: string, caret: number, vocabulary: Vocabulary): Suggestion[] {
  const { start, piece } = pieceAt(text, caret)
  const before = text.slice(0, start)
  const compared = comparison.exec(before)
  if (compared) return values(compared[1] ?? '', piece, vocabulary)
  if (piece === '' && field.test(before.trimEnd()) && /\s$/.test(before)) return operators(before)
  if (piece === '' && before.trim() !== '' && !/\b(and|or)\s*$|\(\s*$/i.test(before)) return [{ insert: 'and ', label: 'and' }]
  return fields(vocabulary).filter((it) => matches(it.insert, piece) && it.insert.trim() !== piece).slice(0, shown)
}

const matches = (candidate: string, typed: string) => {
  const plain = (it: string) => it.toLowerCase().replaceAll(/["`]/g, '')
  return plain(candidate).includes(plain(typed))
}

const fields = ({ metrics, params, tags }: Vocabulary): Suggestion[] => [
  ...metrics.map((key) => ({ insert: `${fieldName('metrics', key)} `, label: key, note: 'metric' })),
  ...[...params.keys()].map((key) => ({ insert: `${fieldName('params', key)} `, label: key, note: 'param' })),
  ...attributes.map((key) => ({ insert: `attributes.${key} `, label: key, note: 'attribute' })),
  ...tags.map((key) => ({ insert: `${fieldName('tags', key)} `, label: key, note: 'tag' })),
]

function operators(before: string): Suggestion[] {
  const numeric = /(metrics?\.\S+|start_time|end_time)\s*$/i.test(before)
  return (numeric ? ['>', '<', '>=', '<=', '=', '!='] : ['=', '!=', 'LIKE', 'ILIKE']).map((operator) => ({ insert: `${operator} `, label: operator }))
}

function values(name: string, piece: string, { params }: Vocabulary): Suggestion[] {
  const param = /^params?\.(.+)$/i.exec(name)?.[1]
  const known = param ? (params.get(unquote(param)) ?? []) : /status$/i.test(name) ? statuses : []
  const typed = piece.replaceAll("'", '').toLowerCase()
  return known
    .filter((value) => value.toLowerCase().includes(typed) && `'${value}'` !== piece)
    .slice(0, shown)
    .map((value) => ({ insert: `'${value.replaceAll("'", "''")}' `, label: value }))
}

/** Puts a suggestion in place of the piece at the caret. */
export function complete(text: string, caret: number, suggestion: Suggestion): { text: string; caret: number } {
  const { start } = pieceAt(text, caret)
  const rest = text.slice(caret).replace(/^\s+/, '')
  return { text: text.slice(0, start) + suggestion.insert + rest, caret: start + suggestion.insert.length }
}
