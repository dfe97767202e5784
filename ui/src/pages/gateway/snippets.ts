/** How to call an endpoint from a shell or from Python, ready to paste. */
import type { Endpoint } from '../../api/gateway'

export const curlFor = (origin: string, path: string, body: object): string => `curl ${origin}${path} \\\n  -H 'content-type: application/json' \\\n  -d '${JSON.stringify(body).replaceAll("'", `'\\''`)}'`

export function openaiFor(origin: string, { name, endpoint_type }: Endpoint, text: string): string {
  const [create, print] = {
    'llm/v1/chat': [`client.chat.completions.create(\n    model=${quoted(name)},\n    messages=[{"role": "user", "content": ${quoted(text)}}],\n)`, 'answer.choices[0].message.content'],
    'llm/v1/completions': [`client.completions.create(model=${quoted(name)}, prompt=${quoted(text)})`, 'answer.choices[0].text'],
    'llm/v1/embeddings': [`client.embeddings.create(model=${quoted(name)}, input=${quoted(text)})`, 'len(answer.data[0].embedding)'],
  }[endpoint_type]
  return `from openai import OpenAI\n\nclient = OpenAI(base_url=${quoted(`${origin}/v1`)}, api_key="unused")\nanswer = ${create}\nprint(${print})`
}

export const mlflowFor = (origin: string, { name }: Endpoint, body: object): string =>
  `from mlflow.deployments import get_deploy_client\n\nclient = get_deploy_client(${quoted(origin)})\nanswer = client.predict(\n    endpoint=${quoted(name)},\n    inputs=${JSON.stringify(body)},\n)\nprint(answer)`

/** A JSON string is a Python string. */
const quoted = (text: string) => JSON.stringify(text)
