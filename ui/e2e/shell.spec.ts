import { describe, expect, inject, test } from 'vitest'
import { expectComplaint, useBrowser, visit } from './browser.ts'

useBrowser()

const { tuning, best } = inject('seeded')

describe('the frame around every page', () => {
  test('the navigation leads to every page', async () => {
    const page = await visit('/')
    for (const name of ['Traces', 'Playground', 'Gateway', 'Settings', 'Experiments']) {
      await page.getByRole('navigation').getByRole('link', { name, exact: true }).click()
      await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
      expect(await page.title()).toBe(`${name} · Tidegate`)
    }
  })

  test('the theme switches at once, stays after a reload, and paints different colours', async () => {
    const page = await visit('/experiments', 'light')
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme)
    expect(await theme()).toBe('light')
    const light = await background()
    await page.getByRole('radio', { name: 'Dark' }).click()
    expect(await theme()).toBe('dark')
    expect(await background()).not.toBe(light)
    await page.reload()
    expect(await theme()).toBe('dark')
    await page.getByRole('radio', { name: 'As the system' }).click()
    expect(await theme()).toBe('light')
  })

  test('Ctrl K finds an experiment by a piece of its name and opens it', async () => {
    const page = await visit('/settings')
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.keyboard.press('Control+k')
    const box = page.getByRole('combobox', { name: 'Go to' })
    await box.fill(tuning.name.slice(5))
    await page.getByRole('option', { name: tuning.name }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: tuning.name }).waitFor()
    expect(new URL(page.url()).pathname).toBe(`/experiments/${tuning.id}`)
  })

  test('Ctrl K opens a run by its id', async () => {
    const page = await visit('/traces')
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Go to' }).fill(best.id)
    await page.getByRole('option', { name: `Run ${best.id}` }).click()
    await page.getByRole('heading', { level: 1, name: best.name }).waitFor()
  })

  test('g and a letter go to a page, but not while typing', async () => {
    const page = await visit('/experiments')
    await page.getByRole('heading', { level: 1, name: 'Experiments' }).waitFor()
    await page.keyboard.type('gg')
    await page.getByRole('heading', { level: 1, name: 'Gateway' }).waitFor()
    await page.goto('/experiments')
    await page.getByRole('searchbox', { name: 'Search experiments' }).pressSequentially('gt')
    expect(new URL(page.url()).pathname).toBe('/experiments')
    await page.waitForURL(/q=gt/)
  })

  test('a deep link opens what it names, reloads to the same, and goes back', async () => {
    const path = `/runs/${best.id}?tab=artifacts&path=notes.md`
    const page = await visit(path)
    await page.getByRole('heading', { name: 'Forecast' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Forecast' }).waitFor()
    await page.getByRole('tab', { name: 'Overview' }).click()
    await page.getByText('learning_rate').first().waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: 'Forecast' }).waitFor()
  })

  test('an address MLflow’s client prints opens the same run', async () => {
    const page = await visit(`/#/experiments/${tuning.id}/runs/${best.id}`)
    await page.getByRole('heading', { level: 1, name: best.name }).waitFor()
    expect(new URL(page.url()).pathname).toBe(`/runs/${best.id}`)
  })

  test('an unknown address says so and leads on', async () => {
    const page = await visit('/nowhere/at/all')
    await page.getByRole('heading').first().waitFor()
    expect(await page.locator('main').innerText()).toContain('/nowhere/at/all')
    expect(await page.locator('main').getByRole('link').count()).toBeGreaterThan(0)
  })

  test('a run that does not exist says which', async () => {
    const missing = 'f'.repeat(32)
    expectComplaint(new RegExp(`404 GET .*run_id=${missing}`))
    expectComplaint(/console: Failed to load resource.*404/)
    const page = await visit(`/runs/${missing}`)
    expect(await page.getByRole('alert').innerText()).toContain(missing)
  })
})
