/** The outcome of an evaluation: gates, metrics with intervals by variant, or the judged rows of one variant. */
import { useQuery } from '@tanstack/react-query'
import { artifactsQuery, artifactTextQuery, artifactUrl } from '../../api/artifacts'
import { childRunsQuery, nameOf, tagsOf } from '../../api/runs'
import type { Run } from '../../api/types'
import { Empty, Failure, Loading } from '../../components/Empty'
import { Scroll, Section } from '../../components/Page'
import { count } from '../../lib/format'
import { parseSplit } from './preview'
import { PreviewTable } from './PreviewTable'
import { GatesTable, ScoresTable } from './ResultsTables'
import { parseResults } from './results'

/** Evaluations mark their runs with the outcome of their gates. */
export const gatesTag = 'tidegate.eval.gates'
export const isEvaluation = (run: Run): boolean => tagsOf(run).has(gatesTag)

const suiteFile = 'results.json'
const rowsFile = 'eval_results_table.json'

export function Results({ run }: { run: Run }) {
  const files = useQuery(artifactsQuery(run.info.run_id, ''))
  const path = [suiteFile, rowsFile].find((name) => files.data?.some((file) => file.path === name))
  const text = useQuery({ ...artifactTextQuery(artifactUrl(run.info.artifact_uri, run.info.run_id, path ?? '')), enabled: path !== undefined })
  const error = files.error ?? text.error
  if (error) return <Failure error={error} what="the results" onRetry={() => void (files.error ? files.refetch() : text.refetch())} />
  if (files.isPending || (path && text.isPending)) return <Loading />
  if (!path || text.data === undefined) return <Empty title="No results yet" text="They are recorded when the evaluation ends." />
  if (path === rowsFile) {
    const table = parseSplit(text.data)
    return table ? <PreviewTable table={table} label="Judged rows" /> : <Empty title="The table of rows cannot be read" text={`${rowsFile} is not a table in split form.`} />
  }
  return <Suite run={run} text={text.data} />
}

function Suite({ run, text }: { run: Run; text: string }) {
  const children = useQuery(childRunsQuery(run.info.experiment_id, run.info.run_id))
  const results = parseResults(text)
  if (!results) return <Empty title="The results cannot be read" text={`${suiteFile} has another form than this page knows; it is among the artifacts.`} />
  const runOf = new Map(children.data?.map((child) => [nameOf(child), child.info.run_id]))
  return (
    <Scroll>
      <Section
        title="Metrics"
        aside={
          <span className="faint">
            {results.task}
            {results.data?.rows !== undefined && ` · ${count(results.data.rows, 'row')} of ${results.data.name ?? 'the data'}`} · confidence intervals
          </span>
        }
      >
        <ScoresTable results={results} runOf={runOf} />
      </Section>
      {results.gates.length > 0 && (
        <Section title="Gates" aside={<span className="faint">what this suite must reach</span>}>
          <GatesTable gates={results.gates} />
        </Section>
      )}
    </Scroll>
  )
}
