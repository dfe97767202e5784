import { beforeAll, expect, inject, test } from 'vitest'
import { shot, themes, useBrowser, violations, visit } from './browser.ts'
import { rest } from './rest.ts'

useBrowser()

const mlflow = '/api/2.0/mlflow'
let suite = ''
let variant = ''

/** An evaluation as `tidegate eval run` records it: a run of the suite, one per variant, and their files. */
beforeAll(async () => {
  const api = rest(inject('url'))
  const { experiment_id } = await api.post<{ experiment_id: string }>(`${mlflow}/experiments/create`, { name: `judged-${Date.now().toString(36)}` })
  const start = async (run_name: string, tags: { key: string; value: string }[]) => {
    const { run } = await api.post<{ run: { info: { run_id: string; artifact_uri: string } } }>(`${mlflow}/runs/create`, { experiment_id, run_name, start_time: Date.now() - 5000, tags: [{ key: 'tidegate.eval.gates', value: 'fail' }, ...tags] })
    await api.post(`${mlflow}/runs/update`, { run_id: run.info.run_id, status: 'FINISHED', end_time: Date.now() })
    return { id: run.info.run_id, files: `/api/2.0/mlflow-artifacts/artifacts/${run.info.artifact_uri.replace(/^mlflow-artifacts:\/+/, '')}` }
  }
  const parent = await start('tides', [])
  suite = parent.id
  const scores = (value: number) => ({ exact_match: { value, ci: [value - 0.1, value + 0.1], rows: 40, of: 40 } })
  await api.put(
    `${parent.files}/results.json`,
    JSON.stringify({
      name: 'tides',
      task: 'qa',
      data: { name: 'questions', rows: 40 },
      variants: [{ name: 'small', metrics: scores(0.5) }, { name: 'large', metrics: scores(0.75) }],
      gates: [{ gate: 'exact_match >= 0.6', variant: 'small', verdict: 'fail', found: '0.5', level: 'fail' }, { gate: 'exact_match >= 0.6', variant: 'large', verdict: 'pass', found: '0.75', level: 'fail' }],
      differences: [{ metric: 'exact_match', variant: 'large', baseline: 'small', difference: 0.25, ci: [0.1, 0.4] }],
    }),
  )
  const child = await start('large', [{ key: 'mlflow.parentRunId', value: parent.id }])
  variant = child.id
  await api.post(`${mlflow}/runs/log-batch`, { run_id: child.id, params: [], tags: [], metrics: [['exact_match', 0.75], ['exact_match.ci.low', 0.65], ['exact_match.ci.high', 0.85]].map(([key, value]) => ({ key, value, timestamp: Date.now(), step: 0 })) })
  await api.put(`${child.files}/eval_results_table.json`, JSON.stringify({ columns: ['question', 'outputs', 'exact_match'], data: [['When is high water?', 'At 06:12', true], ['What is a neap tide?', 'A small one', false]] }))
})

test('the run of a suite opens on its results and leads to its variants', async () => {
  const page = await visit(`/runs/${suite}`)
  await page.getByRole('cell', { name: 'exact_match >= 0.6' }).first().waitFor()
  // What failed comes first.
  const verdicts = await page.getByRole('table').nth(1).getByRole('row').allInnerTexts()
  expect(verdicts[1]).toContain('fail')
  expect(verdicts[2]).toContain('pass')
  await page.getByText('[0.6500, 0.8500]').waitFor()
  await page.getByText('+0.25', { exact: true }).waitFor()
  await shot(page, 'flow_results')
  await page.getByRole('link', { name: 'large', exact: true }).first().click()
  await page.getByRole('heading', { level: 1, name: 'large' }).waitFor()
  await page.getByText('[0.65, 0.85]').waitFor()
  expect(await page.getByText('exact_match.ci.low').count()).toBe(0)
  await page.getByRole('tab', { name: 'Results' }).click()
  await page.getByRole('grid', { name: 'Judged rows' }).getByText('What is a neap tide?').click()
  await page.getByLabel('Row 2', { exact: true }).getByText('A small one').waitFor()
})

test.each(themes)('results can be read by everyone in %s', async (theme) => {
  const page = await visit(`/runs/${suite}`, theme)
  await page.getByRole('cell', { name: 'exact_match >= 0.6' }).first().waitFor()
  expect(await violations(page)).toEqual([])
  const rows = await visit(`/runs/${variant}?tab=results`, theme)
  await rows.getByRole('grid', { name: 'Judged rows' }).getByText('At 06:12').waitFor()
  expect(await violations(rows)).toEqual([])
})
