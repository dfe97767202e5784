/** The files of a run: a tree on the left, the chosen one on the right. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { artifactsQuery } from '../../api/artifacts'
import type { Run } from '../../api/types'
import { Code } from '../../components/Code'
import { Empty, Failure, Loading } from '../../components/Empty'
import { ArtifactPreview } from './ArtifactPreview'
import { ArtifactTree } from './ArtifactTree'
import styles from './Artifacts.module.css'
import { serverUrl } from '../../lib/base'

const route = getRouteApi('/runs/$id')

export function Artifacts({ run }: { run: Run }) {
  const { path } = route.useSearch()
  const navigate = useNavigate({ from: '/runs/$id' })
  const root = useQuery(artifactsQuery(run.info.run_id, ''))
  const open = (next: string) => void navigate({ search: (old) => ({ ...old, path: next }), replace: true })
  if (root.error) return <Failure error={root.error} what="the artifacts" onRetry={() => void root.refetch()} />
  if (root.isPending) return <Loading />
  if (root.data.length === 0)
    return (
      <Empty title="No files" text="A run keeps files that are logged to it.">
        <Code language="python" text={`import mlflow\n\nmlflow.set_tracking_uri("${serverUrl}")\nwith mlflow.start_run(run_id="${run.info.run_id}"):\n    mlflow.log_artifact("report.md")`} />
      </Empty>
    )
  // Without a choice, the evaluation table or the first file is what one came for.
  const files = root.data.filter((file) => !file.is_dir)
  const shown = path ?? (files.find((file) => file.path === 'eval_results_table.json') ?? files.find((file) => /\.md$/i.test(file.path)) ?? files[0])?.path
  return (
    <div className={styles.artifacts}>
      <div className={styles.tree}>
        <ArtifactTree runId={run.info.run_id} files={root.data} current={shown} onOpen={open} />
      </div>
      <div className={styles.preview}>{shown ? <ArtifactPreview key={shown} run={run} path={shown} /> : <p className={styles.hint}>Choose a file.</p>}</div>
    </div>
  )
}
