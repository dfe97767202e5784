/** The traces that were recorded in this experiment. */
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { NoTraces } from '../traces/NoTraces'
import { TraceList } from '../traces/TraceList'

const route = getRouteApi('/experiments/$id')

export function ExperimentTraces({ id }: { id: string }) {
  const { tq } = route.useSearch()
  const navigate = useNavigate({ from: '/experiments/$id' })
  return <TraceList experimentIds={[id]} filter={tq} onFilter={(filter) => void navigate({ search: (old) => ({ ...old, tq: filter }) })} empty={<NoTraces experimentId={id} />} />
}
