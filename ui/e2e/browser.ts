/** A real Chromium on the real server; any complaint of the page fails the test that caused it. */
import axe from 'axe-core'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest'

export const themes = ['light', 'dark'] as const
export type Theme = (typeof themes)[number]

const shots = resolve(process.env.TIDEGATE_SHOTS ?? join(import.meta.dirname, '../../tests/shots'))
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--force-prefers-reduced-motion']

let browser: Browser
const open: Page[] = []
const complaints: string[] = []
const expected: RegExp[] = []

/** Starts the browser around a file's tests and checks after each that nothing was complained about. */
export function useBrowser() {
  beforeAll(async () => {
    mkdirSync(shots, { recursive: true })
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags })
  })
  afterEach(async () => {
    const found = complaints.filter((it) => !expected.some((pattern) => pattern.test(it)))
    complaints.length = 0
    expected.length = 0
    await Promise.all(open.splice(0).map((page) => page.context().close()))
    expect(found, 'the page complained').toEqual([])
  })
  afterAll(() => browser.close())
}

/** Says which complaint a test is about to provoke; any other still fails it. */
export const expectComplaint = (pattern: RegExp) => void expected.push(pattern)

export async function visit(path: string, theme: Theme = 'light'): Promise<Page> {
  const url = inject('url')
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: theme, baseURL: url, permissions: ['clipboard-read', 'clipboard-write'] })
  context.setDefaultTimeout(30_000)
  // The app must need nothing but its own server.
  await context.route((it) => it.origin !== new URL(url).origin && !['data:', 'blob:'].includes(it.protocol), (route) => (complaints.push(`request to another host: ${route.request().url()}`), route.abort()))
  const page = await context.newPage()
  open.push(page)
  page.on('console', (message) => message.type() === 'error' && complaints.push(`console: ${message.text()} (${message.location().url})`))
  page.on('pageerror', (error) => complaints.push(`page error: ${error.stack ?? error.message}`))
  // Leaving a page aborts what it was still asking for; that is no failure.
  page.on('requestfailed', (request) => request.failure()?.errorText !== 'net::ERR_ABORTED' && complaints.push(`request failed: ${request.url()} ${request.failure()?.errorText}`))
  page.on('response', (response) => response.status() >= 400 && complaints.push(`${response.status()} ${response.request().method()} ${response.url()}`))
  await page.goto(path)
  return page
}

/** A table by its name; one with rows inside rows is a `treegrid`. */
export const table = (page: Page, name: string) => page.locator(`:is([role=grid], [role=treegrid])[aria-label="${name}"]`)

export async function shot(page: Page, name: string) {
  await page.evaluate(() => document.fonts.ready)
  await page.screenshot({ path: join(shots, `${name}.png`) })
}

/** Violations of WCAG A and AA that a machine can see, as `rule: where`. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const found = await page.evaluate(async () => {
    const { axe: runner } = globalThis as unknown as { axe: typeof import('axe-core') }
    const result = await runner.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] })
    return result.violations.map((it) => ({ id: it.id, nodes: it.nodes.map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ''})`) }))
  })
  return found.map((it) => `${it.id}: ${it.nodes.slice(0, 4).join('; ')}${it.nodes.length > 4 ? ` and ${it.nodes.length - 4} more` : ''}`)
}
