/** One run: what went in, what came out, its charts, files and traces. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { Ellipsis, NotebookPen, Pencil, RotateCcw, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { messageOf } from '../../api/client'
import { experimentQuery } from '../../api/experiments'
import { deleteRun, durationOf, isRunning, nameOf, renameRun, restoreRun, runQuery } from '../../api/runs'
import type { Run } from '../../api/types'
import { IconButton } from '../../components/Button'
import { ChartGrid } from '../../components/ChartGrid'
import { FormDialog } from '../../components/Dialog'
import { Failure, Loading } from '../../components/Empty'
import { Field } from '../../components/Field'
import { Id } from '../../components/Id'
import { Menu } from '../../components/Menu'
import { Page } from '../../components/Page'
import { State, Status } from '../../components/Status'
import { Tabs } from '../../components/Tabs'
import { Age } from '../../components/Time'
import { toast } from '../../components/Toast'
import { colorAt } from '../../lib/color'
import { formatDuration } from '../../lib/format'
import { withoutIntervalEnds } from '../../lib/interval'
import { parentOf } from '../runs/tree'
import { Artifacts } from './Artifacts'
import { DescribeRun } from './DescribeRun'
import { Overview } from './Overview'
import { isEvaluation, Results } from './Results'
import { RunTraces } from './RunTraces'

const route = getRouteApi('/runs/$id')

export function RunPage() {
  const { id } = route.useParams()
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/runs/$id' })
  const { data: run, error, refetch } = useQuery(runQuery(id))
  const { data: experiment } = useQuery({ ...experimentQuery(run?.info.experiment_id ?? ''), enabled: run !== undefined })
  const crumbs = [
    <Link key="all" to="/experiments">
      Experiments
    </Link>,
    ...(run
      ? [
          <Link key="experiment" to="/experiments/$id" params={{ id: run.info.experiment_id }}>
            {experiment?.name ?? run.info.experiment_id}
          </Link>,
        ]
      : []),
  ]
  if (error)
    return (
      <Page title={id.slice(0, 8)} documentTitle="Run" crumbs={crumbs}>
        <Failure error={error} what={`run ${id}`} onRetry={() => void refetch()} />
      </Page>
    )
  if (!run)
    return (
      <Page title="…" documentTitle="Run" crumbs={crumbs}>
        <Loading />
      </Page>
    )
  const metrics = withoutIntervalEnds(run.data?.metrics?.map((metric) => metric.key) ?? [])
  const evaluated = isEvaluation(run)
  // The run of a whole suite is opened for its results; a variant of it for its numbers.
  const usual = evaluated && parentOf(run) === undefined ? 'results' : 'overview'
  const tab = search.tab ?? usual
  return (
    <Page
      title={nameOf(run)}
      documentTitle={nameOf(run)}
      crumbs={crumbs}
      meta={
        <>
          <Id value={id} label="run id" />
          <State value={run.info.status} />
          <span className="num">{formatDuration(durationOf(run))}</span>
          <Age time={run.info.start_time} suffix />
          {run.info.lifecycle_stage === 'deleted' && <Status tone="warn">deleted</Status>}
        </>
      }
      actions={<RunMenu run={run} />}
    >
      <Tabs
        label="Run"
        value={tab}
        onChange={(next) => void navigate({ search: (old) => ({ ...old, tab: next === usual ? undefined : next }) })}
        tabs={[
          { id: 'overview' as const, label: 'Overview' },
          ...(evaluated ? [{ id: 'results' as const, label: 'Results' }] : []),
          { id: 'charts' as const, label: 'Charts', count: metrics.length || undefined },
          { id: 'artifacts' as const, label: 'Artifacts' },
          { id: 'traces' as const, label: 'Traces' },
        ]}
      />
      {tab === 'overview' && <Overview run={run} />}
      {tab === 'results' && <Results run={run} />}
      {tab === 'charts' && <RunCharts run={run} />}
      {tab === 'artifacts' && <Artifacts run={run} />}
      {tab === 'traces' && <RunTraces run={run} />}
    </Page>
  )
}

function RunCharts({ run }: { run: Run }) {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/runs/$id' })
  const runs = [{ id: run.info.run_id, name: nameOf(run), color: colorAt(0), live: isRunning(run) }]
  return (
    <ChartGrid
      metrics={run.data?.metrics?.map((metric) => metric.key) ?? []}
      runs={runs}
      view={{ x: search.x ?? 'step', smooth: search.smooth ?? 0, log: search.log ?? false }}
      onView={(change) => void navigate({ search: (old) => ({ ...old, ...change, log: (change.log ?? old.log) || undefined, smooth: (change.smooth ?? old.smooth) || undefined }), replace: true })}
    />
  )
}

function RunMenu({ run }: { run: Run }) {
  const client = useQueryClient()
  const [dialog, setDialog] = useState<'rename' | 'describe' | 'delete'>()
  const [name, setName] = useState('')
  const id = run.info.run_id
  const refresh = () => Promise.all([client.invalidateQueries({ queryKey: ['run', id] }), client.invalidateQueries({ queryKey: ['runs'] })])
  const restore = () =>
    restoreRun(id)
      .then(refresh)
      .then(() => toast('Restored the run'))
      .catch((error: unknown) => toast(messageOf(error), true))
  return (
    <>
      <Menu
        trigger={<IconButton label="Actions for this run" icon={<Ellipsis />} />}
        items={
          run.info.lifecycle_stage === 'deleted'
            ? [{ label: 'Restore', icon: <RotateCcw />, onSelect: () => void restore() }]
            : [
                {
                  label: 'Rename…',
                  icon: <Pencil />,
                  onSelect: () => {
                    setName(nameOf(run))
                    setDialog('rename')
                  },
                },
                { label: 'Describe…', icon: <NotebookPen />, onSelect: () => setDialog('describe') },
                'separator',
                { label: 'Delete…', icon: <Trash2 />, danger: true, onSelect: () => setDialog('delete') },
              ]
        }
      />
      <FormDialog open={dialog === 'rename'} onClose={() => setDialog(undefined)} title="Rename run" action="Rename" disabled={name.trim() === '' || name === nameOf(run)} onSubmit={() => renameRun(id, name.trim()).then(refresh)}>
        <Field label="Name" value={name} onChange={(event) => setName(event.target.value)} autoFocus />
      </FormDialog>
      {dialog === 'describe' && <DescribeRun run={run} onClose={() => setDialog(undefined)} />}
      <FormDialog open={dialog === 'delete'} onClose={() => setDialog(undefined)} title={`Delete ${nameOf(run)}?`} description="The run moves out of sight and can be restored." action="Delete" danger onSubmit={() => deleteRun(id).then(refresh)} />
    </>
  )
}
