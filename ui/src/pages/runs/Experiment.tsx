/** One experiment: its runs, its traces, and what it is. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { experimentQuery } from '../../api/experiments'
import { Failure, Loading } from '../../components/Empty'
import { Id } from '../../components/Id'
import { Page } from '../../components/Page'
import { Status } from '../../components/Status'
import { Tabs } from '../../components/Tabs'
import { ExperimentMenu } from '../experiments/ExperimentMenu'
import { ExperimentAbout } from './ExperimentAbout'
import { ExperimentTraces } from './ExperimentTraces'
import { RunsView } from './RunsView'

const route = getRouteApi('/experiments/$id')

export function Experiment() {
  const { id } = route.useParams()
  const { tab = 'runs' } = route.useSearch()
  const navigate = useNavigate({ from: '/experiments/$id' })
  const { data: experiment, error, refetch } = useQuery(experimentQuery(id))
  const crumbs = [
    <Link key="all" to="/experiments">
      Experiments
    </Link>,
  ]
  if (error)
    return (
      <Page title={id} documentTitle="Experiment" crumbs={crumbs}>
        <Failure error={error} what={`experiment ${id}`} onRetry={() => void refetch()} />
      </Page>
    )
  return (
    <Page
      title={experiment?.name ?? '…'}
      documentTitle={experiment?.name ?? 'Experiment'}
      crumbs={crumbs}
      meta={
        <>
          <span>
            id <Id value={id} full label="experiment id" />
          </span>
          {experiment?.lifecycle_stage === 'deleted' && <Status tone="warn">deleted</Status>}
        </>
      }
      actions={experiment && <ExperimentMenu experiment={experiment} onDeleted={() => void navigate({ to: '/experiments' })} />}
    >
      <Tabs
        label="Experiment"
        value={tab}
        onChange={(next) => void navigate({ search: (old) => ({ ...old, tab: next === 'runs' ? undefined : next }) })}
        tabs={[
          { id: 'runs', label: 'Runs' },
          { id: 'traces', label: 'Traces' },
          { id: 'about', label: 'About' },
        ]}
      />
      {!experiment ? <Loading /> : tab === 'traces' ? <ExperimentTraces id={id} /> : tab === 'about' ? <ExperimentAbout experiment={experiment} /> : <RunsView experiment={experiment} />}
    </Page>
  )
}
