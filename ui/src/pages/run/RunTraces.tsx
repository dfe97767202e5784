/** The traces that were recorded while this run was active. */
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import type { Run } from '../../api/types'
import { Code } from '../../components/Code'
import { Empty } from '../../components/Empty'
import { TraceList } from '../traces/TraceList'
import { serverUrl } from '../../lib/base'

const route = getRouteApi('/runs/$id')

export function RunTraces({ run }: { run: Run }) {
  const { tq } = route.useSearch()
  const navigate = useNavigate({ from: '/runs/$id' })
  const id = run.info.run_id
  return (
    <TraceList
      experimentIds={[run.info.experiment_id]}
      within={`attributes.run_id = '${id}'`}
      filter={tq}
      onFilter={(filter) => void navigate({ search: (old) => ({ ...old, tq: filter }) })}
      empty={
        <Empty title="No traces in this run" text="A call that is traced while the run is active belongs to it.">
          <Code language="python" text={`import mlflow\n\nmlflow.set_tracking_uri("${serverUrl}")\n\n@mlflow.trace\ndef answer(question):\n    return "42"\n\nwith mlflow.start_run(run_id="${id}"):\n    answer("What is the question?")`} />
        </Empty>
      }
    />
  )
}
