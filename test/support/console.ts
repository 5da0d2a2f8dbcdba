import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** The windows in which the console is tried. */
export const windows = [
  { name: 'wide, light', viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  { name: 'wide, dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  { name: 'narrow, light', viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  { name: 'narrow, dark', viewport: { width: 360, height: 740 }, colorScheme: 'dark' }
] as const

/** The pages, by their names in the address and their headings. */
export const pages = [
  ['overview', 'Overview'], ['connections', 'Connections'], ['queries', 'Live queries'], ['data', 'Data'],
  ['rules', 'Rules'], ['procedures', 'Procedures'], ['audit', 'Audit'], ['accounts', 'Accounts'],
  ['drain', 'Drain']
] as const

/** Starts Chromium; it ends with the test. */
export async function startBrowser (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args })
  t.teardown(async () => { await browser.close() })
  return browser
}

/** Opens a window at a URL. Errors of its scripts, and all that its policy has prevented, fail the test. */
export async function openWindow (
  t: Test, browser: Browser, url: string, options: BrowserContextOptions = {}
): Promise<Page> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  page.on('pageerror', error => { t.fail(`an error in the page: ${error.message}`) })
  page.on('console', message => {
    if (/Content Security Policy|Trusted ?Type/i.test(message.text())) t.fail(message.text())
  })
  page.on('dialog', dialog => {
    t.fail(`a script has opened a dialog: ${dialog.message()}`)
    dialog.dismiss().catch(() => {})
  })
  await page.goto(url)
  return page
}

/** Logs in by the admin secret, or by a name and a password. */
export async function logIn (
  page: Page, login: { readonly secret: string } | { readonly username: string, readonly password: string }
): Promise<void> {
  if ('secret' in login) {
    await page.getByRole('button', { name: 'Use the admin secret' }).click()
    await page.getByLabel('Admin secret').fill(login.secret)
  } else {
    await page.getByLabel('User name').fill(login.username)
    await page.getByLabel('Password').fill(login.password)
  }
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
}

/** Goes to a page of the console, and waits for its heading. */
export async function goTo (page: Page, place: string, heading: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#/${place}`)}`)
  await page.getByRole('heading', { name: heading, level: 1, exact: true }).waitFor()
}

/** Waits until the console says that it is connected. */
export async function isLive (page: Page): Promise<void> {
  await page.locator('.state[data-state="open"]').waitFor()
}

/** Returns the texts of the first cells of a table, as far as they are in the document. */
export async function firstCells (page: Page, table: string): Promise<string[]> {
  return await page.getByRole('table', { name: table }).locator('tbody tr:not(.spacer) td:first-child')
    .allInnerTexts()
}
