/** What the playground holds: a shared prompt, variables, and up to four columns; kept in this browser. */
import type { ChatTurn } from '../../api/gateway'

export type Turn = { role: 'user' | 'assistant'; text: string }
export type Prompt = { system: string; turns: Turn[] }
export type Column = { id: string; endpoint: string; temperature: string; maxTokens: string; /** A prompt of its own instead of the shared one. */ own: Prompt | null }
export type Draft = { prompt: Prompt; variables: Record<string, string>; columns: Column[] }

/** More columns than four leave none wide enough to read. */
export const columnsMax = 4

const storageKey = 'tidegate.playground'

let lastColumn = 0
export const newColumn = (endpoint: string, like?: Column): Column => ({ temperature: '0.7', maxTokens: '256', own: null, ...like, id: `${Date.now().toString(36)}-${(lastColumn += 1)}`, endpoint })

export const emptyDraft = (): Draft => ({ prompt: { system: '', turns: [{ role: 'user', text: '' }] }, variables: {}, columns: [newColumn('')] })

export function loadDraft(): Draft {
  try {
    const stored = JSON.parse(localStorage.getItem(storageKey) ?? 'null') as Draft | null
    if (stored && isPrompt(stored.prompt) && Array.isArray(stored.columns) && stored.columns.length > 0) return { ...emptyDraft(), ...stored, columns: stored.columns.slice(0, columnsMax) }
  } catch {
    // Written by another version or blocked: start afresh.
  }
  return emptyDraft()
}

export function saveDraft(draft: Draft) {
  try {
    localStorage.setItem(storageKey, JSON.stringify(draft))
  } catch {
    // Not remembered when storage is blocked; the page still works.
  }
}

const isPrompt = (value: Prompt | undefined): boolean => typeof value?.system === 'string' && Array.isArray(value.turns)

const placeholder = /\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g

/** The variables a prompt names, in order of appearance. */
export const variablesOf = (prompts: Prompt[]): string[] => [...new Set(prompts.flatMap((prompt) => [prompt.system, ...prompt.turns.map((turn) => turn.text)]).flatMap((text) => [...text.matchAll(placeholder)].map((match) => match[1] as string)))]

export const fill = (text: string, variables: Record<string, string>): string => text.replaceAll(placeholder, (_, name: string) => variables[name] ?? '')

/** The messages to send: variables filled, an empty system and empty turns left out. */
export function messagesOf(prompt: Prompt, variables: Record<string, string>): ChatTurn[] {
  const system = fill(prompt.system, variables).trim()
  const turns = prompt.turns.map((turn) => ({ role: turn.role, content: fill(turn.text, variables) })).filter((turn) => turn.content.trim() !== '')
  return system ? [{ role: 'system', content: system }, ...turns] : turns
}

/** Numbers as typed; `undefined` leaves the choice to the endpoint. Throws words for what is not a number. */
export function settingsOf(column: Column): { temperature?: number; maxTokens?: number } {
  const temperature = numberOf(column.temperature, 'temperature', 0, 2)
  const maxTokens = numberOf(column.maxTokens, 'max tokens', 1, 1_000_000)
  if (maxTokens !== undefined && !Number.isInteger(maxTokens)) throw new Error(`max tokens is \`${column.maxTokens}\`; write a whole number or leave it empty`)
  return { ...(temperature === undefined ? {} : { temperature }), ...(maxTokens === undefined ? {} : { maxTokens }) }
}

function numberOf(text: string, name: string, least: number, most: number): number | undefined {
  if (text.trim() === '') return undefined
  const value = Number(text.replace(',', '.'))
  if (!Number.isFinite(value) || value < least || value > most) throw new Error(`${name} is \`${text}\`; write a number from ${least} to ${most} or leave it empty`)
  return value
}
