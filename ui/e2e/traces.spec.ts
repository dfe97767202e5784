import { beforeAll, describe, expect, inject, test } from 'vitest'
import { expectComplaint, shot, useBrowser, visit } from './browser.ts'
import { rest } from './rest.ts'
import { endpoint } from './seed.ts'

useBrowser()

const question = `What moves the tide, in short? (${Date.now().toString(36)})`

describe('a call through the gateway becomes a trace', () => {
  beforeAll(async () => {
    const api = rest(inject('url'))
    await api.post('/v1/chat/completions', { model: endpoint, max_tokens: 12, temperature: 0, messages: [{ role: 'system', content: 'Answer in one sentence.' }, { role: 'user', content: question }] })
  })

  test('it is in the list as text, opens, and can be replayed in the playground', async () => {
    const page = await visit('/traces')
    const row = page.getByRole('grid', { name: 'Traces' }).getByRole('row').filter({ hasText: question })
    await row.waitFor()
    const cells = await row.getByRole('gridcell').allInnerTexts()
    expect(cells[2]).toBe(question)
    expect(cells[4]).toBe('ok')
    expect(cells[5]).toMatch(/\d (ms|s)$/)
    expect(Number(cells[6]?.replaceAll(/\D/g, ''))).toBeGreaterThan(5)
    await shot(page, 'flow_traces')

    await row.click()
    await page.waitForURL(/\/traces\/tr-/)
    const spans = page.getByRole('treegrid', { name: 'Spans' })
    await spans.getByRole('row', { selected: true }).waitFor()
    const details = page.getByRole('tabpanel')
    await details.getByText(question).waitFor()
    await details.getByText('Answer in one sentence.').waitFor()
    await page.getByRole('tab', { name: 'Input & output' }).click()
    await details.getByText('"max_tokens"').first().waitFor()
    await shot(page, 'flow_trace')

    await page.getByRole('link', { name: 'Open in playground' }).click()
    await page.waitForURL(/\/playground/)
    const message = page.getByRole('textbox', { name: 'Message 1, user' })
    await expect.poll(() => message.inputValue(), { timeout: 20_000 }).toBe(question)
    expect(await page.getByRole('textbox', { name: 'System message' }).inputValue()).toBe('Answer in one sentence.')
    expect(await page.getByRole('combobox', { name: 'Endpoint of column 1' }).inputValue()).toBe(endpoint)
  })

  test('the filter narrows the list and is an address', async () => {
    const page = await visit(`/traces?q=${encodeURIComponent("status = 'ERROR' AND name = 'no such name'")}`)
    await page.getByText('No trace matches this filter.').waitFor()
    await page.getByRole('button', { name: 'Clear the filter' }).click()
    await page.getByRole('grid', { name: 'Traces' }).getByRole('row').filter({ hasText: question }).waitFor()
    expect(new URL(page.url()).search).toBe('')
  })

  test('a filter that does not parse shows the server’s words at the field', async () => {
    expectComplaint(/400 POST .*traces\/search/)
    expectComplaint(/console: Failed to load resource.*400/)
    const page = await visit('/traces')
    await page.getByRole('grid', { name: 'Traces' }).waitFor()
    const filter = page.getByRole('textbox', { name: 'Filter traces' })
    await filter.fill('nonsense here')
    await filter.press('Enter')
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').innerText()).toContain('nonsense')
    expect(await filter.getAttribute('aria-invalid')).toBe('true')
  })

  test('a trace that does not exist says so', async () => {
    const missing = `tr-${'e'.repeat(32)}`
    expectComplaint(/404 GET .*traces/)
    expectComplaint(/console: Failed to load resource.*404/)
    const page = await visit(`/traces/${missing}`)
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').innerText()).toContain(missing)
  })
})

describe('a trace of an agent whose tool failed', () => {
  const { agent, tuning } = inject('seeded')

  test('opens on the span that failed, walks by the arrow keys, folds, and is found by text', async () => {
    const page = await visit(`/traces/${agent}`)
    const spans = page.getByRole('treegrid', { name: 'Spans' })
    const chosen = async () => (await spans.getByRole('row', { selected: true }).innerText()).split('\n')[1]
    await spans.getByRole('row', { selected: true }).waitFor()
    expect(await chosen()).toBe('gauge')
    const alert = page.getByRole('alert')
    expect(await alert.innerText()).toContain('TimeoutError: the tide gauge `bar-north` did not answer within 300 ms')
    await alert.getByText('Stack trace').click()
    await alert.getByText('agent.py').waitFor()
    await shot(page, 'flow_trace_error')

    await spans.focus()
    await page.keyboard.press('ArrowDown')
    await expect.poll(chosen).toBe('answer')
    await page.getByRole('tabpanel').getByRole('cell', { name: '05:20' }).waitFor()
    await shot(page, 'flow_trace_messages')
    expect(new URL(page.url()).searchParams.get('span')).toBeTruthy()
    await page.reload()
    await expect.poll(chosen).toBe('answer')

    await spans.focus()
    await page.keyboard.press('Home')
    await expect.poll(chosen).toBe('passage_planner')
    expect(await spans.getByRole('row').count()).toBe(7)
    await page.keyboard.press('ArrowLeft')
    await expect.poll(() => spans.getByRole('row').count()).toBe(2)
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => spans.getByRole('row').count()).toBe(7)

    await page.keyboard.press('/')
    await page.keyboard.type('tables.csv')
    await page.keyboard.press('Enter')
    await expect.poll(chosen).toBe('find_tables')
  })

  test('stands in its experiment’s list, between its neighbours by j and k', async () => {
    const page = await visit(`/experiments/${tuning.id}?tab=traces`)
    const row = page.getByRole('grid', { name: 'Traces' }).getByRole('row').filter({ hasText: 'When can a ship' })
    await row.waitFor()
    const cells = await row.getByRole('gridcell').allInnerTexts()
    expect(cells.slice(4, 7)).toEqual(['error', '900 ms', '504'])
    await row.click()
    await page.getByRole('heading', { level: 1, name: 'passage_planner' }).waitFor()
    await page.getByText('1 of 1').waitFor()
  })
})
