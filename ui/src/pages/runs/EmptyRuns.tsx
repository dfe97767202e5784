/** An experiment without runs teaches how to log the first one; it turns into the table by itself. */
import type { Experiment } from '../../api/types'
import { Button } from '../../components/Button'
import { Code } from '../../components/Code'
import { Empty } from '../../components/Empty'
import { serverUrl } from '../../lib/base'

const snippet = (experiment: Experiment) => `import mlflow

mlflow.set_tracking_uri("${serverUrl}")
mlflow.set_experiment(${JSON.stringify(experiment.name)})

with mlflow.start_run():
    mlflow.log_param("learning_rate", 0.01)
    for step in range(100):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
`

export function EmptyRuns({ experiment, onDeleted }: { experiment: Experiment; onDeleted: () => void }) {
  return (
    <Empty title="No runs yet" text="Log the first one from Python; this page follows by itself.">
      <Code language="python" text={snippet(experiment)} />
      <div>
        <Button tone="ghost" onClick={onDeleted}>
          Show deleted runs
        </Button>
      </div>
    </Empty>
  )
}
