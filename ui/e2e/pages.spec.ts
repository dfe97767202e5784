import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { Page } from 'playwright-core'
import { shot, themes, useBrowser, violations, visit } from './browser.ts'
import { rest } from './rest.ts'
import { endpoint } from './seed.ts'

useBrowser()

const { tuning, best, failing, compared, agent } = inject('seeded')

/** Every page, and what shows that it is complete. */
const pages: [name: string, path: string, ready: (page: Page) => Promise<unknown>][] = [
  ['experiments', '/experiments', (page) => page.getByText(tuning.name).first().waitFor()],
  ['runs', `/experiments/${tuning.id}`, (page) => page.locator('canvas').first().waitFor()],
  ['runs_table', `/experiments/${tuning.id}?view=table`, (page) => page.getByText(best.name, { exact: true }).waitFor()],
  ['runs_charts', `/experiments/${tuning.id}?view=charts`, (page) => page.locator('canvas').first().waitFor()],
  ['experiment_traces', `/experiments/${failing.id}?tab=traces`, (page) => page.getByRole('heading', { name: 'No traces yet' }).waitFor()],
  ['experiment_about', `/experiments/${tuning.id}?tab=about`, (page) => page.getByText('Forecasts the height').first().waitFor()],
  ['run', `/runs/${best.id}`, (page) => page.getByText('learning_rate').first().waitFor()],
  ['run_charts', `/runs/${best.id}?tab=charts`, (page) => page.locator('canvas').first().waitFor()],
  ['run_artifact_text', `/runs/${best.id}?tab=artifacts&path=notes.md`, (page) => page.getByRole('heading', { name: 'Forecast' }).waitFor()],
  ['run_artifact_table', `/runs/${best.id}?tab=artifacts&path=data/predictions.csv`, (page) => page.getByText('height_m').first().waitFor()],
  ['run_artifact_evaluation', `/runs/${best.id}?tab=artifacts&path=eval_results_table.json`, (page) => page.getByText('What is a neap tide?').waitFor()],
  ['run_traces', `/runs/${best.id}?tab=traces`, (page) => page.getByRole('heading', { name: 'No traces in this run' }).waitFor()],
  ['compare', `/compare?runs=${compared.join(',')}`, (page) => page.getByText('learning_rate').first().waitFor()],
  ['traces', '/traces', (page) => page.getByRole('grid', { name: 'Traces' }).getByRole('row').nth(1).waitFor()],
  ['trace_of_agent', `/traces/${agent}`, (page) => page.getByRole('treegrid', { name: 'Spans' }).getByRole('row', { selected: true }).waitFor()],
  ['playground', '/playground', (page) => page.getByRole('combobox', { name: 'Endpoint of column 1' }).waitFor()],
  ['gateway', '/gateway', (page) => page.getByRole('grid', { name: 'Endpoints' }).getByText(endpoint, { exact: true }).waitFor()],
  ['settings', '/settings', (page) => page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor()],
]

describe('every page, in both themes, without a complaint and readable by everyone', () => {
  let trace = ''
  beforeAll(async () => {
    const api = rest(inject('url'))
    await api.post('/v1/chat/completions', { model: endpoint, max_tokens: 8, messages: [{ role: 'user', content: 'Say tide.' }] })
    const page = await visit('/traces')
    await page.getByRole('grid', { name: 'Traces' }).getByRole('row').nth(1).click()
    await page.waitForURL(/\/traces\/tr-/)
    trace = new URL(page.url()).pathname
  })

  for (const theme of themes) {
    test.each(pages)(`%s, ${theme}`, async (name, path, ready) => {
      const page = await visit(path, theme)
      await ready(page)
      await shot(page, `${name}_${theme}`)
      expect(await violations(page)).toEqual([])
    })

    test(`trace, ${theme}`, async () => {
      const page = await visit(trace, theme)
      await page.getByRole('treegrid', { name: 'Spans' }).getByRole('row', { selected: true }).waitFor()
      await shot(page, `trace_${theme}`)
      expect(await violations(page)).toEqual([])
    })
  }
})
