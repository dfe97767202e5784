import { describe, expect, inject, test } from 'vitest'
import { expectComplaint, shot, useBrowser, visit } from './browser.ts'

useBrowser()

const { tuning, best, parent, compared } = inject('seeded')

describe('from an experiment to a file', () => {
  test('experiment → runs and charts → run → artifact previews', async () => {
    const page = await visit('/experiments')
    await page.getByRole('searchbox', { name: 'Search experiments' }).fill(tuning.name)
    await page.getByRole('link', { name: tuning.name }).first().click()
    const runs = page.getByRole('treegrid', { name: 'Runs' })
    await runs.getByText(best.name, { exact: true }).waitFor()
    // Header row and every run, children included.
    expect(await runs.getAttribute('aria-rowcount')).toBe(String(tuning.runs + 1))
    // What varies is a column by itself; what is the same everywhere is not.
    const heads = await runs.getByRole('columnheader').allInnerTexts()
    expect(heads.join(' ')).toContain('learning_rate')
    expect(heads.join(' ')).not.toContain('epochs')
    await page.locator('canvas').first().waitFor()
    await shot(page, 'flow_runs_and_charts')

    await runs.getByRole('link', { name: best.name, exact: true }).click()
    await page.getByRole('heading', { level: 1, name: best.name }).waitFor()
    await page.getByText('0.03', { exact: true }).first().waitFor()

    await page.getByRole('tab', { name: /Charts/ }).click()
    await page.locator('canvas').first().waitFor()
    expect(await page.locator('canvas').count()).toBe(3)
    await shot(page, 'flow_run_charts')

    await page.getByRole('tab', { name: 'Artifacts' }).click()
    await page.getByRole('treeitem').getByText('notes.md').click()
    await page.getByRole('heading', { name: 'Forecast' }).waitFor()
    await page.getByText('predictions.csv').first().click()
    await page.getByText('height_m').first().waitFor()
    await page.getByText('eval_results_table.json').first().click()
    await page.getByText('What is a neap tide?').waitFor()
    await page.getByText('confusion.png').first().click()
    const picture = page.getByRole('img', { name: 'confusion.png' })
    await picture.waitFor()
    expect(await picture.evaluate((it: HTMLImageElement) => it.decode().then(() => it.naturalWidth))).toBe(144)
    await shot(page, 'flow_artifact_picture')
  })

  test('children stand under their parent and fold away', async () => {
    const page = await visit(`/experiments/${tuning.id}`)
    const runs = page.getByRole('treegrid', { name: 'Runs' })
    await runs.getByText('fold-2', { exact: true }).waitFor()
    const parentRow = runs.getByRole('row').filter({ hasText: parent.name })
    expect(await parentRow.getAttribute('aria-level')).toBe('1')
    expect(await runs.getByRole('row').filter({ hasText: 'fold-2' }).getAttribute('aria-level')).toBe('2')
    await parentRow.getByRole('button').first().click()
    await runs.getByText('fold-2', { exact: true }).waitFor({ state: 'detached' })
  })
})

describe('the filter', () => {
  test('narrows the table, is in the address, and survives a reload', async () => {
    const page = await visit(`/experiments/${tuning.id}`)
    const filter = page.getByRole('combobox', { name: 'Filter' })
    await filter.fill('params.optimizer = "adam" and metrics."val/loss" < 10')
    await filter.press('Escape')
    await filter.press('Enter')
    const runs = page.getByRole('treegrid', { name: 'Runs' })
    // 30 runs, every third with adam, and one header row.
    await expect.poll(() => runs.getAttribute('aria-rowcount'), { timeout: 20_000 }).toBe('11')
    expect(new URL(page.url()).searchParams.get('q')).toBe('params.optimizer = "adam" and metrics."val/loss" < 10')
    await page.reload()
    await expect.poll(() => runs.getAttribute('aria-rowcount'), { timeout: 20_000 }).toBe('11')
  })

  test('that does not parse shows the server’s words at the field', async () => {
    expectComplaint(/400 POST .*runs\/search/)
    expectComplaint(/console: Failed to load resource.*400/)
    const page = await visit(`/experiments/${tuning.id}`)
    await page.getByRole('treegrid', { name: 'Runs' }).waitFor()
    const filter = page.getByRole('combobox', { name: 'Filter' })
    await filter.fill('metrics.loss >>> 3')
    await filter.press('Escape')
    await filter.press('Enter')
    const alert = page.getByRole('alert')
    await alert.first().waitFor()
    expect((await alert.first().innerText()).length).toBeGreaterThan(10)
    expect(await filter.getAttribute('aria-invalid')).toBe('true')
    await shot(page, 'flow_filter_error')
  })

  test('sorting by a header asks the server', async () => {
    const page = await visit(`/experiments/${tuning.id}`)
    const runs = page.getByRole('treegrid', { name: 'Runs' })
    await runs.getByText(best.name, { exact: true }).waitFor()
    await runs.getByRole('columnheader').filter({ hasText: 'val/loss' }).getByRole('button').click()
    await page.waitForURL(/sort=/)
    await expect.poll(() => runs.getByRole('columnheader').filter({ hasText: 'val/loss' }).getAttribute('aria-sort'), { timeout: 20_000 }).toMatch(/ascending|descending/)
  })
})

describe('comparing', () => {
  test('selected runs are compared by what differs', async () => {
    const page = await visit(`/experiments/${tuning.id}`)
    const runs = page.getByRole('treegrid', { name: 'Runs' })
    await runs.getByText(best.name, { exact: true }).waitFor()
    for (const index of [29, 28, 27]) await runs.getByRole('row').filter({ has: page.getByText(new RegExp(`-${index}$`)) }).getByRole('checkbox').click()
    await page.getByRole('button', { name: 'Compare 3' }).click()
    await page.waitForURL(/\/compare\?runs=/)
    await page.getByRole('heading', { level: 1, name: 'Compare 3 runs' }).waitFor()
    await page.getByText('learning_rate').first().waitFor()
    // The same in all three, so not a difference.
    expect(await page.getByText('epochs', { exact: true }).count()).toBe(0)
    await shot(page, 'flow_compare')
  })

  test('a comparison is an address', async () => {
    const page = await visit(`/compare?runs=${compared.join(',')}`)
    await page.getByText('learning_rate').first().waitFor()
    expect(await page.getByText('val/loss').count()).toBeGreaterThan(0)
  })
})

describe('changing things', () => {
  test('an experiment is created, renamed and deleted', async () => {
    const name = `made-by-hand-${Date.now().toString(36)}`
    const page = await visit('/experiments')
    await page.getByRole('button', { name: 'New experiment' }).click()
    await page.getByRole('dialog').getByRole('textbox').first().fill(name)
    await page.getByRole('dialog').getByRole('button', { name: /Create/ }).click()
    await page.getByRole('heading', { level: 1, name }).waitFor()
    await page.getByRole('button', { name: /Actions/ }).click()
    await page.getByRole('menuitem', { name: /Delete/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.waitForURL(/\/experiments$/)
    await page.getByRole('button', { name: 'Deleted' }).click()
    await page.getByRole('link', { name }).waitFor()
  })
})
