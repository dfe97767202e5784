/** Last, lowest and highest value of each metric beside its shape over time. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { historiesQuery } from '../../api/metrics'
import { isRunning, metricsOf } from '../../api/runs'
import type { Metric, Run } from '../../api/types'
import { CopyButton } from '../../components/Id'
import { Section } from '../../components/Page'
import { Spark } from '../../components/Spark'
import { formatNumber } from '../../lib/format'
import { formatInterval, intervalOf, isIntervalEnd, type Interval } from '../../lib/interval'
import styles from './Overview.module.css'

/** Beyond this many a line per metric would ask the server for too much at once. */
const sparksMax = 40

export function MetricsTable({ run }: { run: Run }) {
  const keys = new Set(run.data?.metrics?.map((metric) => metric.key))
  const metrics = (run.data?.metrics ?? []).filter((metric) => !isIntervalEnd(metric.key, keys)).toSorted((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key))
  if (metrics.length === 0)
    return (
      <Section title="Metrics">
        <p className="faint">{isRunning(run) ? 'None logged yet; they appear as they are logged.' : 'This run logged no metrics.'}</p>
      </Section>
    )
  // An evaluation logs each metric once: then a value is all there is to show.
  const stepped = metrics.some((metric) => Number(metric.step) > 0)
  return (
    <Section
      title="Metrics"
      aside={
        <Link from="/runs/$id" to="." search={(old) => ({ ...old, tab: 'charts' as const })}>
          charts
        </Link>
      }
    >
      <table className={styles.table}>
        {stepped && (
          <thead>
            <tr>
              <th>metric</th>
              <th aria-label="over time" />
              <th className={styles.right}>lowest</th>
              <th className={styles.right}>highest</th>
              <th className={styles.right}>last</th>
              <th className={styles.right}>step</th>
            </tr>
          </thead>
        )}
        <tbody>{metrics.map((metric, index) => (stepped ? <MetricRow key={metric.key} run={run} metric={metric} line={index < sparksMax} /> : <ValueRow key={metric.key} metric={metric} interval={intervalOf(metricsOf(run), metric.key)} />))}</tbody>
      </table>
    </Section>
  )
}

function ValueRow({ metric, interval }: { metric: Metric; interval: Interval | undefined }) {
  return (
    <tr>
      <td className={`truncate ${styles.key}`} title={metric.key}>
        {metric.key}
      </td>
      <td className={`num ${styles.last}`} title={String(metric.value)}>
        {formatNumber(metric.value)}
        {interval && (
          <span className={styles.interval} title="confidence interval">
            {formatInterval(interval)}
          </span>
        )}
      </td>
      <td className={styles.copy}>
        <CopyButton text={String(metric.value)} label={`Copy ${metric.key}`} />
      </td>
    </tr>
  )
}

/** The machine's own metrics come last. */
const rank = (metric: Metric) => (metric.key.startsWith('system/') ? 1 : 0)

function MetricRow({ run, metric, line }: { run: Run; metric: Metric; line: boolean }) {
  const id = run.info.run_id
  const { data } = useQuery({ ...historiesQuery([id], metric.key, isRunning(run)), enabled: line })
  const values = (data?.get(id) ?? []).map((point) => point.value).filter((value) => Number.isFinite(value))
  const many = values.length > 1
  return (
    <tr>
      <td className="truncate" title={metric.key}>
        {metric.key}
        {metric.dataset_name && <span className="faint"> on {metric.dataset_name}</span>}
      </td>
      <td className={styles.spark}>{many && <Spark values={values} width={120} />}</td>
      <td className={`${styles.right} num faint`}>{many ? formatNumber(Math.min(...values)) : ''}</td>
      <td className={`${styles.right} num faint`}>{many ? formatNumber(Math.max(...values)) : ''}</td>
      <td className={`${styles.right} num ${styles.last}`} title={String(metric.value)}>
        {formatNumber(metric.value)}
      </td>
      <td className={`${styles.right} num faint`}>{many ? formatNumber(Number(metric.step)) : ''}</td>
    </tr>
  )
}
