/** Syntax colours for the five languages the app shows. */
import hljs from 'highlight.js/lib/core'
import bash from 'highlight.js/lib/languages/bash'
import json from 'highlight.js/lib/languages/json'
import python from 'highlight.js/lib/languages/python'
import sql from 'highlight.js/lib/languages/sql'
import yaml from 'highlight.js/lib/languages/yaml'

hljs.registerLanguage('bash', bash)
hljs.registerLanguage('json', json)
hljs.registerLanguage('python', python)
hljs.registerLanguage('sql', sql)
hljs.registerLanguage('yaml', yaml)

export type Language = 'bash' | 'json' | 'python' | 'sql' | 'yaml' | 'plaintext'

/** Colouring longer texts would freeze the page. */
const charsMax = 150_000

const escapeHtml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Escaped HTML with `hljs-…` spans. */
export function highlight(text: string, language: Language): string {
  if (language === 'plaintext' || text.length > charsMax || !hljs.getLanguage(language)) return escapeHtml(text)
  return hljs.highlight(text, { language, ignoreIllegals: true }).value
}

const byExtension: Record<string, Language> = { py: 'python', json: 'json', jsonl: 'json', ipynb: 'json', yaml: 'yaml', yml: 'yaml', mlmodel: 'yaml', sh: 'bash', sql: 'sql', toml: 'yaml' }

export const languageOf = (path: string): Language => byExtension[(path.split('/').pop() ?? '').split('.').pop()?.toLowerCase() ?? ''] ?? 'plaintext'
