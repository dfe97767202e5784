/** The two tables of an evaluation's outcome. */
import { Link } from '@tanstack/react-router'
import { Check, CircleHelp, TriangleAlert, X } from 'lucide-react'
import type { ReactNode } from 'react'
import { Dot } from '../../components/Chip'
import { IntervalBar, sharedScale } from '../../components/IntervalBar'
import { Status } from '../../components/Status'
import { colorAt } from '../../lib/color'
import { columnFormat, count, formatDelta, formatNumber } from '../../lib/format'
import { formatInterval } from '../../lib/interval'
import { gateState, isClear, metricNames, type Difference, type Gate, type GateState, type Results, type Score } from './results'
import styles from './Results.module.css'

const states: Record<GateState, ReactNode> = {
  pass: (
    <Status tone="quiet" icon={<Check />}>
      pass
    </Status>
  ),
  warn: (
    <Status tone="warn" icon={<TriangleAlert />}>
      warn
    </Status>
  ),
  fail: (
    <Status tone="bad" icon={<X />}>
      fail
    </Status>
  ),
  inconclusive: (
    <Status tone="info" icon={<CircleHelp />}>
      open
    </Status>
  ),
}
/** What needs attention first. */
const order: GateState[] = ['fail', 'inconclusive', 'warn', 'pass']

export function GatesTable({ gates }: { gates: Gate[] }) {
  const sorted = gates.toSorted((a, b) => order.indexOf(gateState(a)) - order.indexOf(gateState(b)))
  return (
    <table className={styles.table}>
      <thead>
        <tr>
          <th>verdict</th>
          <th>gate</th>
          <th>variant</th>
          <th>found</th>
        </tr>
      </thead>
      <tbody>
        {sorted.map((gate) => (
          <tr key={`${gate.gate}${gate.variant}`}>
            <td className={styles.verdict}>{states[gateState(gate)]}</td>
            <td className="num">{gate.gate}</td>
            <td>{gate.variant}</td>
            <td className="num">
              {gate.found ?? '–'}
              {gate.more_rows_needed ? <span className="faint"> about {count(gate.more_rows_needed, 'more row')} would decide</span> : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

export function ScoresTable({ results, runOf }: { results: Results; runOf: Map<string, string> }) {
  const baseline = results.differences[0]?.baseline
  return (
    <div className={styles.scroll}>
      <table className={styles.table}>
        <thead>
          <tr>
            <th>metric</th>
            {results.variants.map((variant, index) => (
              <th key={variant.name}>
                <span className={styles.variant}>
                  <Dot color={colorAt(index)} />
                  <VariantName name={variant.name} runId={runOf.get(variant.name)} />
                  {variant.name === baseline && <span className="faint">baseline</span>}
                  {variant.failed ? <Status tone="bad">{count(variant.failed, 'row')} failed</Status> : null}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {metricNames(results).map((metric) => (
            <ScoreLine key={metric} metric={metric} results={results} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** A variant is a run of its own; its name opens it. */
function VariantName({ name, runId }: { name: string; runId: string | undefined }) {
  if (!runId) return name
  return (
    <Link to="/runs/$id" params={{ id: runId }}>
      {name}
    </Link>
  )
}

function ScoreLine({ metric, results }: { metric: string; results: Results }) {
  const scores = results.variants.map((variant): Score | undefined => variant.metrics[metric])
  const scale = sharedScale(scores.flatMap((score) => [score?.value ?? undefined, ...(score?.ci ?? [])]))
  const format = columnFormat(scores.map((score) => score?.value ?? undefined))
  const drawn = scores.some((score) => score?.ci)
  return (
    <tr>
      <th scope="row">{metric}</th>
      {results.variants.map((variant, index) => {
        const score = scores[index]
        const difference = results.differences.find((it) => it.metric === metric && it.variant === variant.name)
        if (score?.value === null || score?.value === undefined)
          return (
            <td key={variant.name} className="faint">
              –
            </td>
          )
        return (
          <td key={variant.name}>
            <span className={styles.score} title={String(score.value)}>
              <span className={styles.value}>{format(score.value)}</span>
              {drawn && <IntervalBar value={score.value} low={score.ci?.[0]} high={score.ci?.[1]} scale={scale} color={colorAt(index)} label={`${formatNumber(score.value)}${score.ci ? ` between ${formatNumber(score.ci[0])} and ${formatNumber(score.ci[1])}` : ''}`} />}
              {score.ci && <span className={styles.interval}>{formatInterval({ low: score.ci[0], high: score.ci[1] }, format)}</span>}
              {difference && <Delta difference={difference} />}
            </span>
          </td>
        )
      })}
    </tr>
  )
}

/** Bold when the difference is told apart from none. */
function Delta({ difference }: { difference: Difference }) {
  const clear = isClear(difference)
  const words = `${formatDelta(difference.difference)} to ${difference.baseline}${difference.ci ? `, ${formatInterval({ low: difference.ci[0], high: difference.ci[1] })}` : ''}: ${clear ? 'a clear difference' : 'could be chance'}`
  return (
    <span className={clear ? styles.clear : styles.chance} title={words}>
      {formatDelta(difference.difference)}
    </span>
  )
}
