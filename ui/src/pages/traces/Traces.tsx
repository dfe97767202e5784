/** Traces across all experiments. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { allExperimentsQuery } from '../../api/traces'
import { Failure, Loading } from '../../components/Empty'
import { Page } from '../../components/Page'
import { NoTraces } from './NoTraces'
import { TraceList } from './TraceList'

export function Traces() {
  const { q } = useSearch({ from: '/traces' })
  const navigate = useNavigate()
  const experiments = useQuery(allExperimentsQuery)
  const ids = useMemo(() => experiments.data?.map((it) => it.experiment_id) ?? [], [experiments.data])
  const names = useMemo(() => new Map(experiments.data?.map((it) => [it.experiment_id, it.name])), [experiments.data])
  return (
    <Page title="Traces" documentTitle="Traces" meta={<span>every call that was recorded</span>}>
      {experiments.isPending && <Loading lines={10} />}
      {experiments.isError && <Failure error={experiments.error} what="experiments" onRetry={() => void experiments.refetch()} />}
      {experiments.data && <TraceList experimentIds={ids} experimentNames={names} filter={q} onFilter={(next) => void navigate({ to: '/traces', search: { q: next } })} empty={<NoTraces />} />}
    </Page>
  )
}
