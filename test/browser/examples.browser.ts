import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Fastify from 'fastify'
import { chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { orderDesk } from '../../example-app/app.js'
import type { DeskStore } from '../../example-app/model.js'
import { openStore } from '../../example-app/store.js'
import { projectFile } from '../support/project-file.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']
const built = projectFile('dist/examples')
const names = readdirSync(projectFile('examples'), { withFileTypes: true })
  .filter(entry => entry.isDirectory()).map(({ name }) => name)

/** Serves the order desk, and the pages of examples/ as they are built; returns its address and its store. */
async function serve (t: Test): Promise<{ url: string, store: DeskStore }> {
  const { store, close } = await openStore({ directory: temporaryDirectory(t) })
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  app.addHook('onClose', close)
  app.register(orderDesk, { store })
  for (const name of names) {
    for (const [file, type] of [['index.html', 'text/html'], ['main.js', 'text/javascript']] as const) {
      const path = `/${name}/${file === 'index.html' ? '' : file}`
      const body = readFileSync(join(built, name, file))
      app.get(path, async (_request, reply) => await reply.type(type).send(body))
    }
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, store }
}

/** The lines of the orders that a page shows. */
async function orders (page: Page): Promise<string[]> {
  return await page.locator('li').allInnerTexts()
}

async function waitFor (page: Page, holds: (lines: string[]) => boolean): Promise<void> {
  await until(async () => holds(await orders(page)))
}

const connection = async (page: Page, status: string): Promise<void> => {
  await page.locator('output', { hasText: status }).waitFor()
}

t.test('each example', async t => {
  t.ok(existsSync(executablePath), `${executablePath} is there; CHROMIUM may name another`)
  const browser = await chromium.launch({ executablePath, args })
  t.teardown(async () => { await browser.close() })
  for (const name of names) {
    t.test(`${name} shows live orders, places one without a network, and tells of errors`, async t => {
      t.ok(existsSync(join(built, name, 'main.js')), 'npm run build:examples has built it')
      const { url, store } = await serve(t)
      const context = await browser.newContext()
      t.teardown(async () => { await context.close() })
      const page = await context.newPage()
      page.on('pageerror', error => { t.fail(error.message) })
      await page.goto(`${url}/${name}/`)
      await connection(page, 'open')
      await waitFor(page, lines => lines.length > 1)
      const first = await orders(page)

      t.comment('an order of another client')
      const [customer] = await store.bucket('customers').all()
      const product = { sku: 'CUP-001', unitPrice: 10, total: 20, quantity: 2 }
      const { number } = await store.bucket('orders').insert({ ...product, customerId: customer!.id })
      await waitFor(page, ([line]) => line === `#${number}: 2 × CUP-001`)
      t.same((await orders(page)).slice(1), first)

      t.comment('an own one')
      await page.locator('button').first().click()
      await waitFor(page, ([line]) => line!.startsWith(`#${number + 1}: 1 × `))
      t.equal((await orders(page)).length, first.length + 2)

      t.comment('without a network it is shown at once, and done when there is one again')
      const network = await context.newCDPSession(page)
      const setOffline = async (offline: boolean): Promise<void> => {
        const speed = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 }
        await network.send('Network.emulateNetworkConditions', { offline, ...speed })
      }
      await network.send('Network.enable')
      await setOffline(true)
      await connection(page, 'offline')
      await page.locator('button').first().click()
      await waitFor(page, lines => lines.some(line => line.startsWith('new: 1 × ')))
      t.equal((await orders(page)).length, first.length + 3)
      t.equal(await store.bucket('orders').get(number + 2), undefined)
      await store.bucket('orders').update(number, { status: 'shipped' })
      await setOffline(false)
      await connection(page, 'open')
      await waitFor(page, ([line]) => line!.startsWith(`#${number + 2}: 1 × `))
      t.equal((await orders(page)).length, first.length + 2, 'the shipped one is gone')
      t.match(await store.bucket('orders').get(number + 2), { quantity: 1 })

      t.comment('a query that is removed')
      await store.dropBucket('orders')
      await page.locator('[role=alert]', { hasText: 'bucket' }).waitFor()
    })
  }
})
