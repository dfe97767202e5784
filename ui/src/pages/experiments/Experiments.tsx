/** All experiments: search, create, change; the latest runs beside them. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { Plus, Search } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import { experimentsQuery, noteTag } from '../../api/experiments'
import type { Experiment } from '../../api/types'
import { Button } from '../../components/Button'
import { KeyValue } from '../../components/Chip'
import { DataTable, type Column } from '../../components/DataTable'
import { Empty, Failure, Loading } from '../../components/Empty'
import { Foot, Page } from '../../components/Page'
import { Age } from '../../components/Time'
import { useSettled } from '../../lib/browser'
import { count } from '../../lib/format'
import { CreateExperiment } from './ExperimentDialogs'
import { ExperimentMenu } from './ExperimentMenu'
import styles from './Experiments.module.css'
import { RecentRuns } from './RecentRuns'

const route = getRouteApi('/experiments')

const plainNote = (experiment: Experiment) => (experiment.tags?.find((tag) => tag.key === noteTag)?.value ?? '').replaceAll(/[*_`#>]/g, '').split('\n')[0] ?? ''
/** Tags people set; the system's own start with `mlflow.`. */
const ownTags = (experiment: Experiment) => experiment.tags?.filter((tag) => !tag.key.startsWith('mlflow.')) ?? []

const columns: Column<Experiment>[] = [
  {
    id: 'name',
    title: 'Experiment',
    width: 210,
    cell: (it) => (
      <Link to="/experiments/$id" params={{ id: it.experiment_id }} className={styles.name}>
        {it.name}
      </Link>
    ),
  },
  { id: 'note', title: 'Description', width: 220, grow: true, cell: (it) => <span className="truncate muted">{plainNote(it)}</span> },
  {
    id: 'tags',
    title: 'Tags',
    width: 130,
    cell: (it) => (
      <span className={styles.tags}>
        {ownTags(it).map((tag) => (
          <KeyValue key={tag.key} name={tag.key} value={tag.value} />
        ))}
      </span>
    ),
  },
  { id: 'created', title: 'Created', width: 80, cell: (it) => <Age time={it.creation_time} /> },
  { id: 'changed', title: 'Changed', width: 80, cell: (it) => <Age time={it.last_update_time} /> },
  { id: 'id', title: 'Id', width: 60, numeric: true, cell: (it) => <span className="faint">{it.experiment_id}</span> },
  { id: 'menu', title: '', hint: 'Actions', width: 44, cell: (it) => <ExperimentMenu experiment={it} /> },
]

export function Experiments() {
  const { q = '', deleted } = route.useSearch()
  const navigate = useNavigate({ from: '/experiments' })
  const [creating, setCreating] = useState(false)
  const settled = useSettled(q)
  const query = useInfiniteQuery(experimentsQuery(settled, deleted ? 'DELETED_ONLY' : 'ACTIVE_ONLY'))
  const experiments = useMemo(() => query.data?.pages.flatMap((page) => page.experiments ?? []) ?? [], [query.data])
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = query
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }, [hasNextPage, isFetchingNextPage, fetchNextPage])

  const open = (it: Experiment) => void navigate({ to: '/experiments/$id', params: { id: it.experiment_id } })
  return (
    <Page
      title="Experiments"
      documentTitle="Experiments"
      actions={
        <Button tone="primary" icon={<Plus />} onClick={() => setCreating(true)}>
          New experiment
        </Button>
      }
    >
      <div className={styles.bar}>
        <label className={styles.search}>
          <Search />
          <input data-filter type="search" aria-label="Search experiments" placeholder="Search by name" value={q} onChange={(event) => void navigate({ search: (old) => ({ ...old, q: event.target.value || undefined }), replace: true })} />
          <kbd>/</kbd>
        </label>
        <Button pressed={deleted === true} onClick={() => void navigate({ search: (old) => ({ ...old, deleted: old.deleted ? undefined : true }) })}>
          Deleted
        </Button>
      </div>
      <div className={styles.body}>
        <div className={styles.list}>
          {query.error ? (
            <Failure error={query.error} what="the experiments" onRetry={() => void query.refetch()} />
          ) : query.isPending ? (
            <Loading />
          ) : (
            <DataTable
              label="Experiments"
              rows={experiments}
              columns={columns}
              rowKey={(it) => it.experiment_id}
              rowHeight={32}
              onOpen={open}
              onEnd={more}
              loadingMore={isFetchingNextPage}
              empty={<Empty title={q ? `No experiment is called “${q}”` : deleted ? 'Nothing was deleted' : 'No experiments yet'} text={deleted || q ? undefined : 'Create one here, or let a training script do it.'} />}
            />
          )}
        </div>
        {!deleted && experiments.length > 0 && <RecentRuns experiments={experiments} />}
      </div>
      <Foot>
        <span>{count(experiments.length, deleted ? 'deleted experiment' : 'experiment')}</span>
        {hasNextPage && <span className="faint">more as you scroll</span>}
      </Foot>
      <CreateExperiment open={creating} onClose={() => setCreating(false)} onCreated={(id) => void navigate({ to: '/experiments/$id', params: { id } })} />
    </Page>
  )
}
