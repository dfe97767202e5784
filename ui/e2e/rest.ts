/** The server's REST API as the seeding uses it. */

export type Rest = {
  post: <T = Record<string, never>>(path: string, body: unknown) => Promise<T>
  get: <T>(path: string) => Promise<T>
  put: (path: string, body: string | Uint8Array) => Promise<void>
}

export function rest(url: string): Rest {
  const call = async (path: string, init: RequestInit) => {
    const response = await fetch(url + path, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path} answered ${response.status}: ${text.slice(0, 400)}`)
    return text
  }
  return {
    post: async (path, body) => JSON.parse((await call(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })) || '{}'),
    get: async (path) => JSON.parse(await call(path, {})),
    put: async (path, body) => void (await call(path, { method: 'PUT', headers: { 'content-type': 'application/octet-stream' }, body: body as BodyInit })),
  }
}
