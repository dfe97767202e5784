import { describe, expect, inject, test } from 'vitest'
import { shot, useBrowser, visit } from './browser.ts'
import { endpoint } from './seed.ts'

useBrowser()

describe('the gateway page', () => {
  test('an endpoint answers a test, and the call appears among the recent ones', async () => {
    const page = await visit(`/gateway?endpoint=${endpoint}`)
    const panel = page.getByRole('region', { name: `Endpoint ${endpoint}` })
    await panel.getByText('chat', { exact: true }).waitFor()
    const said = `Say hello to the harbour. (${Date.now().toString(36)})`
    await panel.getByRole('textbox', { name: 'What to send' }).fill(said)
    await panel.getByRole('button', { name: 'Send' }).click()
    await panel.getByText(/\d+ in · \d+ out/).waitFor({ timeout: 90_000 })
    await page.getByRole('grid', { name: 'Recent calls' }).getByRole('row').filter({ hasText: said }).waitFor()
    await shot(page, 'flow_gateway')
  })

  test('the curl it offers works as it is', async () => {
    const page = await visit(`/gateway?endpoint=${endpoint}`)
    const command = await page.getByLabel('curl command').innerText()
    expect(command).toContain(`curl ${inject('url')}/endpoints/${endpoint}/invocations`)
    const body = /-d '(.*)'$/s.exec(command)?.[1] ?? ''
    const response = await fetch(`${inject('url')}/endpoints/${endpoint}/invocations`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...JSON.parse(body), max_tokens: 4 }) })
    expect(response.status).toBe(200)
  })

  test('leads to the playground with the endpoint chosen', async () => {
    const page = await visit(`/gateway?endpoint=${endpoint}`)
    await page.getByRole('link', { name: 'Open in playground' }).click()
    await page.waitForURL(/\/playground$/)
    expect(await page.getByRole('combobox', { name: 'Endpoint of column 1' }).inputValue()).toBe(endpoint)
  })
})
