import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { shot, table, themes, useBrowser, violations, visit } from './browser.ts'

useBrowser()

/** The binary under test; without one there is nothing that could evaluate. */
const binary = process.env.TIDEGATE_BIN
const suite = resolve(import.meta.dirname, '../../configs/eval/wine.yaml')

describe.skipIf(!binary)('an evaluation that was run from the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-e2e-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  beforeAll(() => {
    const run = spawnSync(binary as string, ['eval', 'run', suite, '--tracking', inject('url'), '--limit', '400'], { cwd: folder, encoding: 'utf8' })
    // Zero and one are both results: all gates pass, or one fails on so few rows.
    expect([0, 1], `${run.stdout}\n${run.stderr}`).toContain(run.status)
  })

  test.each(themes)('opens on its results: metrics by variant and gates (%s)', async (theme) => {
    const page = await visit('/experiments', theme)
    await page.getByRole('searchbox', { name: 'Search experiments' }).fill('wine-quality')
    await page.getByRole('link', { name: 'wine-quality', exact: true }).first().click()
    const runs = table(page, 'Runs')
    await runs.getByText('elasticnet', { exact: true }).first().waitFor()
    await shot(page, `evaluation_runs_${theme}`)
    await runs.getByRole('row', { level: 1 }).nth(0).getByRole('link').first().click()
    await page.getByRole('tab', { name: 'Results', selected: true }).waitFor()
    const main = page.locator('main')
    await main.getByText('root_mean_squared_error').first().waitFor()
    for (const words of ['linear', 'elasticnet', 'mean_absolute_error', 'r2_score', 'Gates']) expect(await main.innerText()).toContain(words)
    await shot(page, `evaluation_${theme}`)
    expect(await violations(page)).toEqual([])
  })
})
