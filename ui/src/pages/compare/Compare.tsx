/** Runs side by side: what differs first, then their curves in one frame. */
import { useQueries, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useMemo } from 'react'
import { experimentQuery } from '../../api/experiments'
import { isRunning, nameOf, runQuery } from '../../api/runs'
import type { Run } from '../../api/types'
import { buttonClass } from '../../components/Button'
import { ChartGrid } from '../../components/ChartGrid'
import { Empty, Failure, Loading } from '../../components/Empty'
import { Page, Scroll, Section } from '../../components/Page'
import { Segmented } from '../../components/Segmented'
import { colorAt } from '../../lib/color'
import { joinList, splitList } from '../../lib/search'
import { CompareTable } from './CompareTable'
import styles from './Compare.module.css'
import { compareMax } from './search'

const route = getRouteApi('/compare')

export function Compare() {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/compare' })
  const ids = splitList(search.runs).slice(0, compareMax)
  const results = useQueries({ queries: ids.map((id) => runQuery(id)) })
  const runs = results.flatMap((result) => (result.data ? [result.data] : []))
  const failed = results.findIndex((result) => result.error)
  const experimentIds = [...new Set(runs.map((run) => run.info.experiment_id))]
  const experiment = useQuery({ ...experimentQuery(experimentIds[0] ?? ''), enabled: experimentIds.length === 1 })
  const crumbs = [
    <Link key="all" to="/experiments">
      Experiments
    </Link>,
    ...(experiment.data
      ? [
          <Link key="one" to="/experiments/$id" params={{ id: experiment.data.experiment_id }} search={{ sel: search.runs }}>
            {experiment.data.name}
          </Link>,
        ]
      : []),
  ]
  const title = `Compare ${ids.length} runs`
  const remove = (id: string) => void navigate({ search: (old) => ({ ...old, runs: joinList(ids.filter((it) => it !== id)), base: old.base === id ? undefined : old.base }), replace: true })

  return (
    <Page
      title={title}
      documentTitle={title}
      crumbs={crumbs}
      actions={
        <Segmented
          label="Rows"
          options={[
            { value: 'differences', label: 'Differences' },
            { value: 'all', label: 'All' },
          ]}
          value={search.all ? 'all' : 'differences'}
          onChange={(value) => void navigate({ search: (old) => ({ ...old, all: value === 'all' ? true : undefined }), replace: true })}
        />
      }
    >
      {ids.length < 2 && (
        <Empty title="Choose runs to compare" text="Select two or more runs in an experiment, then press Compare.">
          <div>
            <Link to="/experiments" className={buttonClass()}>
              Go to experiments
            </Link>
          </div>
        </Empty>
      )}
      {ids.length >= 2 && failed >= 0 && <Failure error={results[failed]?.error} what={`run ${ids[failed]}`} onRetry={() => void results[failed]?.refetch()} />}
      {ids.length >= 2 && failed < 0 && runs.length < ids.length && <Loading />}
      {ids.length >= 2 && runs.length === ids.length && (
        <Scroll>
          <CompareTable runs={runs} baseId={search.base ?? ids[0] ?? ''} all={search.all === true} onBase={(id) => void navigate({ search: (old) => ({ ...old, base: id }), replace: true })} onRemove={remove} />
          <Charts runs={runs} />
        </Scroll>
      )}
    </Page>
  )
}

function Charts({ runs }: { runs: Run[] }) {
  const search = route.useSearch()
  const navigate = useNavigate({ from: '/compare' })
  const key = runs.map((run) => `${run.info.run_id}${run.info.status}`).join()
  // oxlint-disable-next-line react-hooks/exhaustive-deps -- the runs are new objects on every poll; what the charts need of them is in `key`
  const drawn = useMemo(() => runs.map((run, index) => ({ id: run.info.run_id, name: nameOf(run), color: colorAt(index), live: isRunning(run) })), [key])
  const metrics = [...new Set(runs.flatMap((run) => run.data?.metrics?.map((metric) => metric.key) ?? []))]
  if (metrics.length === 0) return null
  return (
    <Section title="Charts">
      <div className={styles.charts}>
        <ChartGrid metrics={metrics} runs={drawn} view={{ x: search.x ?? 'step', smooth: search.smooth ?? 0, log: search.log ?? false }} onView={(change) => void navigate({ search: (old) => ({ ...old, ...change, log: (change.log ?? old.log) || undefined, smooth: (change.smooth ?? old.smooth) || undefined }), replace: true })} />
      </div>
    </Section>
  )
}
