import { describe, expect, inject, test } from 'vitest'
import { expectComplaint, shot, useBrowser, visit } from './browser.ts'
import { rest } from './rest.ts'
import { endpoint } from './seed.ts'

useBrowser()

describe('the playground', () => {
  test('streams from a real model and saves what it did as a run', async () => {
    const page = await visit('/playground')
    await page.getByRole('textbox', { name: 'System message' }).fill('You explain {{topic}} plainly.')
    await page.getByRole('textbox', { name: 'Message 1, user' }).fill('What is {{topic}}?')
    await page.getByRole('textbox', { name: 'topic' }).fill('a tide')
    await page.getByRole('combobox', { name: 'Endpoint of column 1' }).selectOption(endpoint)
    await page.getByRole('textbox', { name: 'Temperature of column 1' }).fill('0')
    await page.getByRole('textbox', { name: 'Max tokens of column 1' }).fill('40')

    // What is shown while it streams, each time it grows.
    await page.evaluate(() => {
      const seen: number[] = []
      Object.assign(globalThis, { seen })
      const answer = document.querySelector('[aria-label="Answer"]') as HTMLElement
      new MutationObserver(() => seen.push(answer.innerText.length)).observe(answer, { subtree: true, childList: true, characterData: true })
    })
    await page.keyboard.press('Control+Enter')
    const answer = page.getByRole('region', { name: 'Answer' })
    await page.getByRole('button', { name: 'Continue' }).waitFor({ timeout: 90_000 })
    const seen = await page.evaluate(() => (globalThis as unknown as { seen: number[] }).seen)
    expect(new Set(seen).size, 'the answer grew while it was written').toBeGreaterThan(5)
    const text = await answer.innerText()
    expect(text.length).toBeGreaterThan(20)
    expect(await page.getByRole('alert').count()).toBe(0)
    const column = page.getByRole('region', { name: /Column 1/ })
    expect(await column.innerText()).toMatch(/(ms|s) first token/)
    expect(await column.innerText()).toMatch(/tok\/s/)
    await shot(page, 'flow_playground')

    // The call's own trace is one click away.
    await page.getByRole('region', { name: 'Answer' }).getByRole('link', { name: 'Trace' }).click()
    await page.getByRole('grid', { name: 'Traces' }).getByRole('row').filter({ hasText: 'What is a tide?' }).waitFor()
    expect(await page.getByRole('grid', { name: 'Traces' }).getAttribute('aria-rowcount')).toBe('2')
    await page.goBack()
    await page.getByRole('textbox', { name: 'Message 1, user' }).waitFor()
    expect(await page.getByRole('button', { name: 'Save as run' }).isDisabled()).toBe(true)
    await page.keyboard.press('Control+Enter')
    await page.getByRole('button', { name: 'Continue' }).waitFor({ timeout: 90_000 })

    await page.getByRole('button', { name: 'Save as run' }).click()
    await page.getByRole('link', { name: 'open the run' }).click()
    await page.waitForURL(/\/runs\/[0-9a-f]{32}/)
    const id = /runs\/([0-9a-f]{32})/.exec(page.url())?.[1] as string
    await page.getByText('ttft_ms').first().waitFor()

    const api = rest(inject('url'))
    const { run } = await api.get<{ run: { info: { status: string; experiment_id: string }; data: { params: { key: string; value: string }[]; metrics: { key: string; value: number }[] } } }>(`/api/2.0/mlflow/runs/get?run_id=${id}`)
    const params = Object.fromEntries(run.data.params.map((it) => [it.key, it.value]))
    const metrics = Object.fromEntries(run.data.metrics.map((it) => [it.key, it.value]))
    expect(run.info.status).toBe('FINISHED')
    expect(params).toEqual({ endpoint, temperature: '0', max_tokens: '40', system: 'You explain a tide plainly.', prompt: 'What is a tide?', 'variable.topic': 'a tide' })
    expect(metrics.completion_tokens).toBeGreaterThan(5)
    expect(metrics.completion_tokens).toBeLessThanOrEqual(40)
    expect(metrics.prompt_tokens).toBeGreaterThan(5)
    expect(metrics.ttft_ms).toBeGreaterThan(0)
    expect(metrics.latency_ms).toBeGreaterThan(metrics.ttft_ms as number)

    await page.getByRole('tab', { name: 'Artifacts' }).click()
    await page.getByText('playground.json').first().click()
    await page.getByText('"What is a tide?"').first().waitFor()
  })

  test('two columns run at once, each can be stopped, and stopping keeps what was said', async () => {
    const page = await visit('/playground')
    // Asked this without chance, the model repeats itself to the end: an answer that lasts until it is stopped.
    await page.getByRole('textbox', { name: 'Message 1, user' }).fill('What is the capital of France?')
    await page.getByRole('button', { name: 'Column', exact: true }).click()
    for (const column of [1, 2]) {
      await page.getByRole('textbox', { name: `Temperature of column ${column}` }).fill('0')
      await page.getByRole('textbox', { name: `Max tokens of column ${column}` }).fill('1900')
    }
    await page.getByRole('combobox', { name: 'Endpoint of column 2' }).selectOption(endpoint)
    await page.getByRole('combobox', { name: 'Endpoint of column 1' }).selectOption(endpoint)
    await page.getByRole('button', { name: 'Run all 2' }).click()
    const first = page.getByRole('region', { name: /Column 1/ })
    await first.getByText(/speed$/).first().waitFor({ timeout: 90_000 })
    await page.getByRole('button', { name: 'Stop column 1' }).click()
    await first.getByText('stopped').waitFor()
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByRole('button', { name: 'Run all 2' }).waitFor()
    expect(await first.getByRole('button', { name: 'Continue' }).count()).toBe(1)
  })

  test('two answers are compared word by word and saved as runs to compare', async () => {
    const page = await visit('/playground')
    await page.getByRole('textbox', { name: 'Message 1, user' }).fill('Name one sea.')
    await page.getByRole('textbox', { name: 'Temperature of column 1' }).fill('0')
    await page.getByRole('textbox', { name: 'Max tokens of column 1' }).fill('12')
    await page.getByRole('button', { name: 'Column', exact: true }).click()
    await page.getByRole('combobox', { name: 'Endpoint of column 2' }).selectOption(endpoint)
    await page.getByRole('button', { name: 'Own prompt of column 2' }).click()
    await page.getByRole('textbox', { name: 'Message 1, user of column 2' }).fill('Name one river.')
    await page.getByRole('button', { name: 'Run all 2' }).click()
    await page.getByRole('button', { name: 'Differences' }).click({ timeout: 90_000 })
    const second = page.getByRole('region', { name: /Column 2/ })
    await second.locator('ins, del').first().waitFor()
    expect(await page.getByRole('region', { name: /Column 1/ }).locator('ins, del').count()).toBe(0)
    await shot(page, 'flow_playground_differences')

    await page.getByRole('button', { name: 'Save as 2 runs' }).click()
    await page.getByRole('link', { name: 'compare the 2 runs' }).click()
    await page.waitForURL(/\/compare\?runs=/)
    await page.getByText('Name one river.').first().waitFor()
    await page.getByText('Name one sea.').first().waitFor()
  })

  test('an error stands where the answer would', async () => {
    const page = await visit('/playground')
    await page.getByRole('textbox', { name: 'Message 1, user' }).fill('Hello')
    await page.getByRole('textbox', { name: 'Temperature of column 1' }).fill('hot')
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    expect(await page.getByRole('alert').innerText()).toContain('temperature is `hot`')

    // The server's own refusal, in its words.
    expectComplaint(/4\d\d POST .*chat\/completions/)
    expectComplaint(/console: Failed to load resource.*4\d\d/)
    await page.route('**/v1/chat/completions', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), model: 'no-such-endpoint' }) }))
    await page.getByRole('textbox', { name: 'Temperature of column 1' }).fill('0')
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await page.getByRole('alert').filter({ hasText: 'no-such-endpoint' }).waitFor()
  })

  test('the call is copied as curl with what is on screen', async () => {
    const page = await visit('/playground')
    await page.getByRole('textbox', { name: 'Message 1, user' }).fill("It's high water")
    await page.getByRole('button', { name: 'Copy the call of column 1' }).click()
    await page.getByRole('menuitem', { name: 'Copy as curl' }).click()
    await page.getByText('Copied as curl').waitFor()
    const copied = await page.evaluate(() => navigator.clipboard.readText())
    expect(copied).toContain(`curl -N ${inject('url')}/v1/chat/completions`)
    expect(copied).toContain("It'\\''s high water")
  })

  test('the draft is still there after a reload', async () => {
    const page = await visit('/playground')
    await page.getByRole('textbox', { name: 'Message 1, user' }).fill('Keep me')
    await page.reload()
    await expect.poll(() => page.getByRole('textbox', { name: 'Message 1, user' }).inputValue()).toBe('Keep me')
    await page.getByRole('button', { name: 'Clear' }).click()
    expect(await page.getByRole('textbox', { name: 'Message 1, user' }).inputValue()).toBe('')
  })
})
