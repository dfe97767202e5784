/** The call on screen, as one would write it in a shell or in Python. */
import type { Call } from '../../api/gateway'

export function curlOf(origin: string, call: Call, stream = true): string {
  const body = JSON.stringify(stream ? { ...call.body, stream: true } : call.body, null, 2)
  return `curl ${stream ? '-N ' : ''}${origin}${call.path} \\\n  -H 'content-type: application/json' \\\n  -d '${body.replaceAll("'", `'\\''`)}'`
}

export function pythonOf(origin: string, call: Call): string {
  const chat = call.path.endsWith('/chat/completions')
  const fields = Object.entries(call.body).map(([key, value]) => `    ${key}=${pythonValue(value, 1)},`)
  return [
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url=${pythonValue(`${origin}/v1`)}, api_key="unused")`,
    `stream = client.${chat ? 'chat.completions' : 'completions'}.create(`,
    ...fields,
    '    stream=True,',
    ')',
    'for chunk in stream:',
    '    if chunk.choices:',
    chat ? '        print(chunk.choices[0].delta.content or "", end="", flush=True)' : '        print(chunk.choices[0].text, end="", flush=True)',
    '',
  ].join('\n')
}

/** A JSON value as a Python literal. */
function pythonValue(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return String(value)
  // A JSON string is a Python string: the same escapes, and surrogates always come in pairs here.
  if (typeof value === 'string') return JSON.stringify(value)
  const pad = '    '.repeat(depth + 1)
  const end = '    '.repeat(depth)
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[\n${value.map((it) => `${pad}${pythonValue(it, depth + 1)},`).join('\n')}\n${end}]`
  return `{${Object.entries(value)
    .map(([key, it]) => `${JSON.stringify(key)}: ${pythonValue(it, depth + 1)}`)
    .join(', ')}}`
}
