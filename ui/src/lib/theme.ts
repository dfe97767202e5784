/** Light, dark or as the system says; remembered in this browser. */
import { useSyncExternalStore } from 'react'

export type ThemeChoice = 'system' | 'light' | 'dark'
export type Theme = 'light' | 'dark'

const key = 'tidegate.theme'
const listeners = new Set<() => void>()
const systemDark = () => matchMedia('(prefers-color-scheme: dark)')

export function themeChoice(): ThemeChoice {
  try {
    const stored = localStorage.getItem(key)
    return stored === 'light' || stored === 'dark' ? stored : 'system'
  } catch {
    // Storage may be blocked: the system's choice is then the only one.
    return 'system'
  }
}

const resolved = (): Theme => {
  const choice = themeChoice()
  if (choice !== 'system') return choice
  return systemDark().matches ? 'dark' : 'light'
}

function apply() {
  document.documentElement.dataset.theme = resolved()
  for (const listener of listeners) listener()
}

export function setThemeChoice(choice: ThemeChoice) {
  try {
    localStorage.setItem(key, choice)
  } catch {
    document.documentElement.dataset.theme = choice === 'system' ? resolved() : choice
  }
  apply()
}

export function startTheme() {
  systemDark().addEventListener('change', apply)
  apply()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** The theme on screen; components that paint on a canvas redraw when it changes. */
export const useTheme = (): Theme => useSyncExternalStore(subscribe, () => (document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light'))
export const useThemeChoice = (): ThemeChoice => useSyncExternalStore(subscribe, themeChoice)
