/** What is known about a trace as a whole: where it belongs, its assessments, tags and metadata. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { experimentQuery } from '../../api/experiments'
import { traceExperiment, traceRun, traceSession, type Assessment, type TraceInfo } from '../../api/traces'
import { Id } from '../../components/Id'
import { State } from '../../components/Status'
import { formatTime } from '../../lib/format'
import styles from './SpanDetails.module.css'

/** Shown elsewhere on the page, or as long as the payloads themselves. */
const quiet = new Set(['mlflow.traceInputs', 'mlflow.traceOutputs', 'mlflow.traceName', 'mlflow.trace.sizeStats', 'mlflow.trace.spansLocation', 'mlflow.artifactLocation', 'mlflow.trace.infoFinalized', 'mlflow.trace_schema.version'])

export function TraceFacts({ info }: { info: TraceInfo }) {
  const experiment = traceExperiment(info)
  const { data } = useQuery({ ...experimentQuery(experiment ?? ''), enabled: experiment !== undefined })
  const name = data?.name
  const run = traceRun(info)
  const session = traceSession(info)
  const metadata = visible(info.trace_metadata)
  const tags = visible(info.tags)
  return (
    <>
      <div className={styles.value}>
        <dl className={styles.attributes}>
          <Fact name="trace">
            <Id value={info.trace_id} full label="trace id" />
          </Fact>
          <Fact name="state">
            <State value={info.state} />
          </Fact>
          <Fact name="began">{formatTime(Date.parse(info.request_time))}</Fact>
          {experiment && (
            <Fact name="experiment">
              <Link to="/experiments/$id" params={{ id: experiment }}>
                {name ?? experiment}
              </Link>
            </Fact>
          )}
          {run && (
            <Fact name="run">
              <Link to="/runs/$id" params={{ id: run }}>
                {run}
              </Link>
            </Fact>
          )}
          {session && <Fact name="session">{session}</Fact>}
          {info.client_request_id && <Fact name="request id">{info.client_request_id}</Fact>}
        </dl>
      </div>
      {info.assessments && info.assessments.length > 0 && (
        <Group title="Assessments">
          {info.assessments.map((assessment) => (
            <Fact key={assessment.assessment_id} name={assessment.assessment_name}>
              {verdictOf(assessment)}
              {assessment.rationale && <span className="muted"> · {assessment.rationale}</span>}
              {assessment.source && <span className="faint"> · {assessment.source.source_type.toLowerCase().replaceAll('_', ' ')}</span>}
            </Fact>
          ))}
        </Group>
      )}
      {tags.length > 0 && (
        <Group title="Tags">
          {tags.map(([key, value]) => (
            <Fact key={key} name={key}>
              {value}
            </Fact>
          ))}
        </Group>
      )}
      {metadata.length > 0 && (
        <Group title="Metadata">
          {metadata.map(([key, value]) => (
            <Fact key={key} name={key}>
              {value}
            </Fact>
          ))}
        </Group>
      )}
    </>
  )
}

function Group({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className={styles.value}>
      <h3>{title}</h3>
      <dl className={styles.attributes}>{children}</dl>
    </div>
  )
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

const visible = (fields: Record<string, string> | undefined) =>
  Object.entries(fields ?? {})
    .filter(([key, value]) => value !== '' && !quiet.has(key))
    .toSorted(([a], [b]) => a.localeCompare(b))

function verdictOf({ feedback, expectation }: Assessment): string {
  if (feedback?.error) return `failed: ${feedback.error.error_message ?? 'no reason given'}`
  const value = feedback?.value ?? expectation?.value
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}
