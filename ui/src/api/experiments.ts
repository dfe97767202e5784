/** Experiments: queries and changes. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { request } from './client'
import type { Experiment, Page, ViewType } from './types'

const base = '/api/2.0/mlflow/experiments'
/** One screenful several times over, small enough to answer at once. */
const pageSize = 200

/** A name search in MLflow's filter grammar; quotes in the text are doubled away. */
export const nameFilter = (text: string): string | undefined => (text.trim() ? `name ILIKE '%${text.trim().replaceAll("'", "''")}%'` : undefined)

export const experimentsQuery = (search: string, view: ViewType, orderBy = 'last_update_time DESC') =>
  infiniteQueryOptions({
    queryKey: ['experiments', search, view, orderBy],
    queryFn: ({ pageParam, signal }) =>
      request<Page<'experiments', Experiment>>(`${base}/search`, {
        method: 'POST',
        body: { max_results: pageSize, view_type: view, filter: nameFilter(search), order_by: [orderBy], page_token: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_page_token || undefined,
  })

export const experimentQuery = (id: string) =>
  queryOptions({
    queryKey: ['experiment', id],
    queryFn: ({ signal }) => request<{ experiment: Experiment }>(`${base}/get`, { query: { experiment_id: id }, signal }).then((it) => it.experiment),
  })

const post = <T = object>(action: string, body: unknown) => request<T>(`${base}/${action}`, { method: 'POST', body })

export const createExperiment = (name: string) => post<{ experiment_id: string }>('create', { name })
export const renameExperiment = (id: string, name: string) => post('update', { experiment_id: id, new_name: name })
export const deleteExperiment = (id: string) => post('delete', { experiment_id: id })
export const restoreExperiment = (id: string) => post('restore', { experiment_id: id })
export const setExperimentTag = (id: string, key: string, value: string) => post('set-experiment-tag', { experiment_id: id, key, value })
export const deleteExperimentTag = (id: string, key: string) => post('delete-experiment-tag', { experiment_id: id, key })

/** MLflow keeps an experiment's or run's description in this tag. */
export const noteTag = 'mlflow.note.content'
