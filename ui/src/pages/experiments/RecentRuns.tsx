/** The newest runs of all experiments: what one came to look at is usually here. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { request } from '../../api/client'
import { isRunning, livePollMs, nameOf } from '../../api/runs'
import type { Experiment, Run } from '../../api/types'
import { Code } from '../../components/Code'
import { State } from '../../components/Status'
import { Age } from '../../components/Time'
import styles from './Experiments.module.css'
import { serverUrl } from '../../lib/base'

/** One screenful. */
const shown = 24
/** Enough experiments to hold the newest runs. */
const experimentsAsked = 100

export function RecentRuns({ experiments }: { experiments: Experiment[] }) {
  const ids = experiments.slice(0, experimentsAsked).map((it) => it.experiment_id)
  const names = new Map(experiments.map((it) => [it.experiment_id, it.name]))
  const { data: runs } = useQuery({
    queryKey: ['runs', 'recent', ids],
    queryFn: ({ signal }) => request<{ runs?: Run[] }>('/api/2.0/mlflow/runs/search', { method: 'POST', body: { experiment_ids: ids, max_results: shown, order_by: ['attributes.start_time DESC'] }, signal }).then((it) => it.runs ?? []),
    placeholderData: (previous) => previous,
    refetchInterval: (query) => (query.state.data?.some(isRunning) ? livePollMs : livePollMs * 5),
  })
  if (!runs) return null
  if (runs.length === 0)
    return (
      <aside className={styles.recent} aria-label="First steps">
        <h2>First steps</h2>
        <div className={styles.first}>
          <p className="muted">Log a run from Python, and it appears here:</p>
          <Code language="python" text={`import mlflow\n\nmlflow.set_tracking_uri(\n    "${serverUrl}"\n)\nwith mlflow.start_run():\n    mlflow.log_metric("score", 0.9)`} />
          <p className="muted">
            Or try a model in the <Link to="/playground">playground</Link>; what you do there can be saved as a run.
          </p>
        </div>
      </aside>
    )
  return (
    <aside className={styles.recent} aria-label="Recent runs">
      <h2>Recent runs</h2>
      {runs.map((run) => (
        <Link key={run.info.run_id} to="/runs/$id" params={{ id: run.info.run_id }} className={styles.recentRun}>
          <span className="truncate">{nameOf(run)}</span>
          <State value={run.info.status} />
          <span className="truncate">{names.get(run.info.experiment_id)}</span>
          <Age time={run.info.start_time} suffix />
        </Link>
      ))}
    </aside>
  )
}
