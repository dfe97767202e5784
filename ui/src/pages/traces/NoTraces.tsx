/** Teaches the two ways a trace comes to be. */
import { Code } from '../../components/Code'
import { Empty } from '../../components/Empty'
import { serverUrl } from '../../lib/base'

export function NoTraces({ experimentId }: { experimentId?: string }) {
  return (
    <Empty title="No traces yet" text="Calls through the gateway are recorded by themselves. Traces of your own code arrive through MLflow’s client:">
      <Code
        language="python"
        text={`import mlflow

mlflow.set_tracking_uri("${serverUrl}")
${experimentId ? `mlflow.set_experiment(experiment_id="${experimentId}")\n` : ''}
@mlflow.trace
def answer(question):
    return "42"

answer("What is the question?")`}
      />
    </Empty>
  )
}
