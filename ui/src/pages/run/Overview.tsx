/** The run at a glance: results and parameters left, where it came from right. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { noteTag } from '../../api/experiments'
import { childRunsQuery, deleteRunTag, durationOf, isRunning, nameOf, runQuery, setRunTag, tagsOf } from '../../api/runs'
import type { Run } from '../../api/types'
import { Button } from '../../components/Button'
import { Details } from '../../components/Details'
import { Id } from '../../components/Id'
import { Markdown } from '../../components/Markdown'
import { MetricChart } from '../../components/MetricChart'
import { Section } from '../../components/Page'
import { State } from '../../components/Status'
import { TagEditor } from '../../components/TagEditor'
import { colorAt } from '../../lib/color'
import { formatDuration, formatTime } from '../../lib/format'
import { parentOf } from '../runs/tree'
import { Datasets } from './Datasets'
import { DescribeRun } from './DescribeRun'
import { MetricsTable } from './MetricsTable'
import styles from './Overview.module.css'
import { ParamsTable } from './ParamsTable'

/** One row of small charts. */
const curvesMax = 3
const plainView = { x: 'step', smooth: 0, log: false } as const

export function Overview({ run }: { run: Run }) {
  const client = useQueryClient()
  const id = run.info.run_id
  const refresh = () => client.invalidateQueries({ queryKey: ['run', id] })
  return (
    <div className={styles.overview}>
      <div className={styles.main}>
        <Note run={run} />
        <Curves run={run} />
        <MetricsTable run={run} />
        <ParamsTable run={run} />
        <Datasets run={run} />
      </div>
      <aside className={styles.side}>
        <Section title="Run">
          <Details items={runFacts(run)} />
        </Section>
        <Relatives run={run} />
        <Section title="Tags">
          <TagEditor tags={run.data?.tags?.filter((tag) => !tag.key.startsWith('mlflow.')) ?? []} onSet={(key, value) => setRunTag(id, key, value).then(refresh)} onDelete={(key) => deleteRunTag(id, key).then(refresh)} />
        </Section>
      </aside>
    </div>
  )
}

/** The first few curves, so that a training run shows its shape at once. */
function Curves({ run }: { run: Run }) {
  const drawn = useMemo(() => [{ id: run.info.run_id, name: nameOf(run), color: colorAt(0), live: isRunning(run) }], [run])
  const keys = (run.data?.metrics ?? [])
    .filter((metric) => Number(metric.step) > 0 && !metric.key.startsWith('system/'))
    .map((metric) => metric.key)
    .toSorted()
    .slice(0, curvesMax)
  if (keys.length < 2) return null
  return (
    <div className={styles.curves}>
      {keys.map((key) => (
        <MetricChart key={key} metric={key} name={key} runs={drawn} view={plainView} syncKey="overview" height={118} />
      ))}
    </div>
  )
}

function runFacts(run: Run) {
  const tags = tagsOf(run)
  const { info } = run
  const commit = tags.get('mlflow.source.git.commit')
  const source = tags.get('mlflow.source.name')
  return {
    id: <Id value={info.run_id} full label="run id" />,
    status: <State value={info.status} />,
    started: <span className="num">{formatTime(info.start_time)}</span>,
    ended: <span className="num">{formatTime(info.end_time)}</span>,
    duration: <span className="num">{formatDuration(durationOf(run))}</span>,
    user: info.user_id || tags.get('mlflow.user') || '–',
    ...(source ? { source: <Id value={source} full label="source" /> } : {}),
    ...(commit ? { commit: <Id value={commit} label="git commit" /> } : {}),
    artifacts: <Id value={info.artifact_uri ?? '–'} full label="artifact location" />,
  }
}

function Relatives({ run }: { run: Run }) {
  const parentId = parentOf(run)
  const parent = useQuery({ ...runQuery(parentId ?? ''), enabled: parentId !== undefined })
  const children = useQuery(childRunsQuery(run.info.experiment_id, run.info.run_id))
  if (!parentId && !children.data?.length) return null
  return (
    <Section title={parentId ? 'Parent' : 'Child runs'} aside={!parentId && <span className="faint num">{children.data?.length}</span>}>
      {parentId && (
        <Link to="/runs/$id" params={{ id: parentId }}>
          {parent.data ? nameOf(parent.data) : parentId}
        </Link>
      )}
      <div className={styles.relatives}>
        {children.data?.map((child) => (
          <Link key={child.info.run_id} to="/runs/$id" params={{ id: child.info.run_id }}>
            <span className="truncate">{nameOf(child)}</span>
            <State value={child.info.status} />
          </Link>
        ))}
      </div>
    </Section>
  )
}

function Note({ run }: { run: Run }) {
  const note = tagsOf(run).get(noteTag)
  const [editing, setEditing] = useState(false)
  if (!note) return null
  return (
    <Section
      title="Description"
      aside={
        <Button tone="ghost" onClick={() => setEditing(true)}>
          Edit
        </Button>
      }
    >
      <Markdown text={note} />
      {editing && <DescribeRun run={run} onClose={() => setEditing(false)} />}
    </Section>
  )
}
