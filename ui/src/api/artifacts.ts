/** Artifacts of a run: the tree, and the address each file is read from. */
import { queryOptions } from '@tanstack/react-query'
import { ApiError, request, send, withQuery } from './client'
import type { FileInfo } from './types'

/** Larger files are offered for download instead of being shown. */
export const previewBytesMax = 2_000_000

export const artifactsQuery = (runId: string, path: string) =>
  queryOptions({
    queryKey: ['artifacts', runId, path],
    queryFn: ({ signal }) => request<{ files?: FileInfo[] }>('/api/2.0/mlflow/artifacts/list', { query: { run_id: runId, path: path || undefined }, signal }).then((it) => it.files ?? []),
  })

const encodePath = (path: string) => path.split('/').map(encodeURIComponent).join('/')

/** Files kept by the server's own artifact store have an address of their own; others are fetched through the run. */
export function artifactUrl(artifactUri: string | undefined, runId: string, path: string): string {
  const proxied = /^mlflow-artifacts:\/(?:\/[^/]*\/)?(.*)$/.exec(artifactUri ?? '')?.[1]
  if (proxied !== undefined) return `/api/2.0/mlflow-artifacts/artifacts/${encodePath(`${proxied.replace(/^\/+|\/+$/g, '')}/${path}`)}`
  return withQuery('/get-artifact', { run_uuid: runId, path })
}

export const artifactTextQuery = (url: string) =>
  queryOptions({
    queryKey: ['artifact-text', url],
    queryFn: async ({ signal }) => {
      const response = await send(url, { signal })
      const size = Number(response.headers.get('content-length') ?? 0)
      if (size > previewBytesMax) throw new ApiError(413, 'TOO_LARGE', `the file is larger than ${previewBytesMax / 1e6} MB; download it to read it`)
      return response.text()
    },
    staleTime: 30_000,
  })
