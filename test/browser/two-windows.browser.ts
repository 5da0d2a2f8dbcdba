import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { orderDesk } from '../../example-app/app.js'
import { openStore } from '../../example-app/store.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** Serves the order desk on `port`, 0 meaning any. */
async function serve (t: Test, directory: string, port: number): Promise<FastifyInstance> {
  const { store, close } = await openStore({ directory })
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  app.addHook('onClose', close)
  app.register(orderDesk, { store, paymentMs: 3_000 })
  await app.listen({ port, host: '127.0.0.1' })
  return app
}

/** The text of each open order. */
async function orders (page: Page): Promise<string[]> {
  return await page.locator('#orders tr').allInnerTexts()
}

async function isLive (page: Page): Promise<void> {
  await page.locator('#state[data-state="open"]').waitFor()
  await page.locator('#desk:enabled').waitFor()
}

t.test('An order that is placed in one window appears in the other', async t => {
  t.ok(existsSync(executablePath), `${executablePath} is there; CHROMIUM may name another`)
  const directory = temporaryDirectory(t)
  const app = await serve(t, directory, 0)
  const { port } = app.server.address() as AddressInfo
  const browser = await chromium.launch({ executablePath, args })
  t.teardown(async () => { await browser.close() })
  const problems: string[] = []
  const open = async (): Promise<Page> => {
    const page = await (await browser.newContext()).newPage()
    page.on('pageerror', error => { problems.push(error.message) })
    await page.goto(`http://127.0.0.1:${port}/`)
    await isLive(page)
    return page
  }
  const [mine, theirs] = [await open(), await open()]
  const before = await orders(theirs)
  t.same(await orders(mine), before)

  await mine.locator('#quantity').fill('2')
  await mine.locator('#form button[type=submit]').click()
  await theirs.locator('#orders tr').nth(before.length).waitFor()
  const after = await orders(theirs)
  t.equal(after.length, before.length + 1)
  t.ok(after.some(row => row.includes('2 ×')), 'it is the order that was placed')
  await mine.locator('#orders tr').nth(before.length).waitFor()
  t.same(await orders(mine), after)

  t.comment('a large order, and one that is not paid in time, are told in both windows')
  await mine.locator('#product').selectOption('POT-001')
  await mine.locator('#quantity').fill('4')
  await mine.locator('#form button[type=submit]').click()
  for (const page of [mine, theirs]) {
    await page.locator('#notices li', { hasText: 'a large one' }).waitFor()
    await page.locator('#notices li', { hasText: 'not paid yet' }).first().waitFor()
  }
  await mine.locator('#orders button', { hasText: 'Paid' }).first().click()
  await mine.locator('#orders tr').nth(before.length + 1).waitFor()

  t.comment('the server restarts, and both windows come back with the same orders')
  await app.close()
  await Promise.all(
    [mine, theirs].map(async page => { await page.locator('#state:not([data-state="open"])').waitFor() })
  )
  await serve(t, directory, port)
  await Promise.all([isLive(mine), isLive(theirs)])
  t.equal((await orders(theirs)).length, after.length + 1)
  t.same(problems, [])
})
