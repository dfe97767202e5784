/** The runs of an experiment: the table on the left drives the charts on the right, all of it in the address. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { ChartLine, Columns2, Table2 } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import { messageOf } from '../../api/client'
import { isRunning, nameOf, runsQuery } from '../../api/runs'
import type { Experiment } from '../../api/types'
import { Button } from '../../components/Button'
import { ChartGrid } from '../../components/ChartGrid'
import { DataTable, type Sort } from '../../components/DataTable'
import { Failure, Loading } from '../../components/Empty'
import { FilterBar } from '../../components/FilterBar'
import type { ChartRun } from '../../components/MetricChart'
import { Foot } from '../../components/Page'
import { Segmented } from '../../components/Segmented'
import { Split } from '../../components/Split'
import { colorAt } from '../../lib/color'
import { count } from '../../lib/format'
import { useKeys } from '../../lib/keys'
import { joinList } from '../../lib/search'
import { ColumnPicker } from './ColumnPicker'
import { runColumns } from './columns'
import { EmptyRuns } from './EmptyRuns'
import styles from './RunsView.module.css'
import { SelectionActions } from './SelectionActions'
import type { ExperimentSearch } from './search'
import { arrange, type RunRow } from './tree'
import { useRunKeys } from './useRunKeys'
import { useSelection } from './useSelection'

const route = getRouteApi('/experiments/$id')

/** Runs drawn before anything is chosen; more lines than this are a tangle. */
const drawnAtFirst = 6
/** Lines in one chart at most; the table may have more selected. */
const drawnMax = 24

const depthOf = (row: RunRow) => row.depth
const parseSort = (sort: string | undefined): Sort | undefined => (sort ? { key: sort.replace(/^-/, ''), descending: sort.startsWith('-') } : undefined)
const views = [
  { value: 'table' as const, label: <Table2 />, title: 'Table (t)' },
  { value: 'both' as const, label: <Columns2 />, title: 'Table and charts (b)' },
  { value: 'charts' as const, label: <ChartLine />, title: 'Charts (c)' },
]

export function RunsView({ experiment }: { experiment: Experiment }) {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/experiments/$id' })
  const { q = '', view = 'both', deleted } = search
  const sort = parseSort(search.sort)
  const set = useCallback((change: Partial<ExperimentSearch>, replace = true) => void navigate({ search: (old) => ({ ...old, ...change }), replace }), [navigate])

  const query = useInfiniteQuery({
    ...runsQuery({ experimentIds: [experiment.experiment_id], filter: q, orderBy: sort && `${sort.key} ${sort.descending ? 'DESC' : 'ASC'}`, view: deleted ? 'DELETED_ONLY' : 'ACTIVE_ONLY' }),
    placeholderData: (previous) => previous,
  })
  const { data, fetchNextPage, hasNextPage, isFetchingNextPage, isPlaceholderData } = query
  const runs = useMemo(() => data?.pages.flatMap((page) => page.runs ?? []) ?? [], [data])
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }, [hasNextPage, isFetchingNextPage, fetchNextPage])

  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set())
  const nested = sort === undefined
  const rows = useMemo(() => arrange(runs, nested, folded), [runs, nested, folded])
  const keys = useRunKeys(runs, search.cols)

  const { picked, select, clear } = useSelection(search.sel, (sel) => set({ sel }))
  const chosen = useMemo(() => (picked.length === 0 ? rows.slice(0, drawnAtFirst).map((row) => row.run.info.run_id) : picked), [picked, rows])
  const selected = useMemo(() => new Set(picked), [picked])
  const colors = useMemo(() => new Map(chosen.slice(0, drawnMax).map((id, index) => [id, colorAt(index)])), [chosen])
  const drawn: ChartRun[] = useMemo(() => {
    const byId = new Map(runs.map((run) => [run.info.run_id, run]))
    return chosen.slice(0, drawnMax).flatMap((id, index) => {
      const run = byId.get(id)
      return run ? [{ id, name: nameOf(run), color: colorAt(index), live: isRunning(run) }] : []
    })
  }, [chosen, runs])
  const metrics = useMemo(() => {
    const ids = new Set(drawn.map((run) => run.id))
    return [...new Set(runs.filter((run) => ids.has(run.info.run_id)).flatMap((run) => run.data?.metrics?.map((metric) => metric.key) ?? []))]
  }, [runs, drawn])

  const fold = useCallback(
    (id: string) =>
      setFolded((old) => {
        const next = new Set(old)
        if (!next.delete(id)) next.add(id)
        return next
      }),
    [],
  )
  useKeys({ t: () => set({ view: 'table' }), c: () => set({ view: 'charts' }), b: () => set({ view: undefined }) })

  const columns = useMemo(() => runColumns({ rows, keys: keys.shown, colors, nested, folded, onFold: fold }), [rows, keys.shown, colors, nested, folded, fold])
  const onSort = ({ key, descending }: Sort) => set({ sort: search.sort === (descending ? key : `-${key}`) && sort?.descending !== (key.startsWith('metrics.') || key.startsWith('attributes.start')) ? undefined : descending ? `-${key}` : key })

  const filtered = q !== ''
  if (query.isPending) return <Loading />
  if (query.error && !filtered) return <Failure error={query.error} what="the runs" onRetry={() => void query.refetch()} />
  if (runs.length === 0 && !filtered && !deleted && !query.error) return <EmptyRuns experiment={experiment} onDeleted={() => set({ deleted: true })} />

  const table = (
    <div className={styles.table}>
      {keys.constant.length > 0 && runs.length > 1 && (
        <div className={styles.constants} title={keys.constant.map((it) => `${it.key} = ${it.value}`).join('\n')}>
          <span className="faint">constant</span>
          {keys.constant.map((it) => (
            <span key={`${it.kind}.${it.key}`}>
              <span className="faint">{it.key}</span> {it.value}
            </span>
          ))}
        </div>
      )}
      <DataTable
        label="Runs"
        rows={rows}
        columns={columns}
        rowKey={(row) => row.run.info.run_id}
        depth={depthOf}
        selected={selected}
        onSelect={select}
        onOpen={(row) => void navigate({ to: '/runs/$id', params: { id: row.run.info.run_id } })}
        sort={sort}
        onSort={onSort}
        onEnd={more}
        loadingMore={isFetchingNextPage}
        empty={<p className={styles.none}>{query.error ? 'The filter was not understood.' : filtered ? 'No run matches the filter.' : 'No deleted runs.'}</p>}
      />
    </div>
  )
  const charts = (
    <ChartGrid
      metrics={metrics}
      runs={drawn}
      legend={view === 'charts'}
      view={{ x: search.x ?? 'step', smooth: search.smooth ?? 0, log: search.log ?? false }}
      onView={(change) => set({ ...('x' in change ? { x: change.x === 'step' ? undefined : change.x } : {}), ...('smooth' in change ? { smooth: change.smooth || undefined } : {}), ...('log' in change ? { log: change.log || undefined } : {}) })}
    />
  )
  return (
    <>
      <div className={styles.bar}>
        <FilterBar value={q} onApply={(filter) => set({ q: filter || undefined }, false)} vocabulary={keys.vocabulary} error={query.error ? messageOf(query.error) : undefined} placeholder={'metrics.accuracy > 0.9 and params.optimizer = \'adam\''} />
        <SelectionActions experiment={experiment} runs={runs} selected={selected} deleted={deleted === true} onClear={clear} />
        <ColumnPicker all={keys.all} shown={keys.shown} isDefault={search.cols === undefined} onChange={(ids) => set({ cols: ids && joinList(ids) })} />
        <Button pressed={deleted === true} onClick={() => {
            clear()
            set({ deleted: deleted ? undefined : true, sel: undefined }, false)
          }}>
          Deleted
        </Button>
        <Segmented label="Layout" options={views} value={view} onChange={(next) => set({ view: next === 'both' ? undefined : next })} />
      </div>
      {view === 'table' ? table : view === 'charts' ? charts : <Split id="runs" label="Width of the table" left={table} right={charts} />}
      <Foot>
        <span>
          {count(runs.length, 'run')}
          {hasNextPage && ' loaded, more as you scroll'}
        </span>
        {(selected.size > 0 || drawn.length > 0) && <span className="faint">{selected.size > 0 ? `${selected.size} selected` : `charts show the first ${drawn.length}`}</span>}
        {selected.size > drawnMax && <span className="faint">charts draw the first {drawnMax}</span>}
        <span className="grow" />
        {isPlaceholderData && <span className="faint">loading…</span>}
        {runs.some(isRunning) && <span className={styles.live}>live</span>}
      </Foot>
    </>
  )
}
