import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify, { type FastifyInstance } from 'fastify'
import { chromium, type Browser, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { orderDesk } from '../../example-app/app.js'
import { openStore } from '../../example-app/store.js'
import { anyPort, runSample, sample } from '../support/documents.js'
import type { Frame } from '../support/client.js'
import { startProcess } from '../support/order-desk.js'
import { freePort } from '../support/free-port.js'
import { projectFile } from '../support/project-file.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

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

/** Starts Chromium; it ends with the test. */
async function startBrowser (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args })
  t.teardown(async () => { await browser.close() })
  return browser
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
  const browser = await startBrowser(t)
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
  for (const page of [mine, theirs]) await page.locator('#state:not([data-state="open"])').waitFor()
  await serve(t, directory, port)
  await Promise.all([isLive(mine), isLive(theirs)])
  t.equal((await orders(theirs)).length, after.length + 1)
  t.same(problems, [])
})

/** How long one of the browsers has no network, in milliseconds. */
const offlineMs = process.env['THOROUGH'] === '1' ? 60_000 : 5_000

/** Notes in the page the keys of rows that are taken out of the list from now on. */
const noteRemoved = `
  window.removed = []
  new MutationObserver(changes => {
    for (const { removedNodes } of changes) {
      for (const { dataset } of removedNodes) window.removed.push(Number(dataset.key))
    }
  }).observe(document.getElementById('orders'), { childList: true })`

/** Waits in the page until it does not say that it is live; returns the time that took, in milliseconds. */
const noteState = `new Promise(resolve => {
  const since = performance.now()
  const state = document.getElementById('state')
  const observer = new MutationObserver(() => {
    if (state.dataset.state === 'open') return
    observer.disconnect()
    resolve(performance.now() - since)
  })
  observer.observe(state, { attributes: true })
})`

/** The keys of rows that were taken out since the last call: of changed orders, and those that have left. */
async function removed (page: Page): Promise<number[]> {
  return (await page.evaluate('window.removed.splice(0)') as number[]).sort((a, b) => a - b)
}

/** Keeps the replies to subscriptions to the open orders, in the order of their coming. */
function repliesOf (page: Page): Frame[] {
  const replies: Frame[] = []
  page.on('websocket', socket => {
    let id: unknown
    socket.on('framesent', ({ payload }) => {
      const frame = JSON.parse(String(payload)) as Frame
      if (frame['query'] === 'open-orders') id = frame['id']
    })
    socket.on('framereceived', ({ payload }) => {
      const frame = JSON.parse(String(payload)) as Frame
      if (frame['type'] === 'result' && frame['id'] === id) replies.push(frame['data'])
    })
  })
  return replies
}

t.test('Two browsers show the same after one was offline, and after restarts, without a flash', async t => {
  const directory = temporaryDirectory(t)
  const app = await serve(t, directory, 0)
  const { port } = app.server.address() as AddressInfo
  const open = async () => {
    const context = await (await startBrowser(t)).newContext()
    const page = await context.newPage()
    page.on('pageerror', error => { t.fail(error.message) })
    const replies = repliesOf(page)
    await page.goto(`http://127.0.0.1:${port}/`)
    await isLive(page)
    await page.locator('#orders tr').nth(1).waitFor()
    await page.evaluate(noteRemoved)
    return { page, replies, network: await context.newCDPSession(page) }
  }
  const [mine, theirs] = [await open(), await open()]
  const pages = [mine.page, theirs.page]
  /** Waits until both show the orders that the first one shows now. */
  const showSame = async (): Promise<void> => {
    const shown = await orders(mine.page)
    t.ok(shown.length > 0, 'there are orders')
    await until(async () => JSON.stringify(await orders(theirs.page)) === JSON.stringify(shown))
  }
  t.match(theirs.replies, [{ key: 'number', data: Array }])

  t.comment('one has no network, says so, and keeps what it shows')
  const before = await orders(theirs.page)
  const setOffline = async (offline: boolean): Promise<void> => {
    const speed = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 }
    await theirs.network.send('Network.emulateNetworkConditions', { offline, ...speed })
  }
  await theirs.network.send('Network.enable')
  await setOffline(true)
  await theirs.page.locator('#state[data-state="offline"]').waitFor()
  await theirs.page.locator('#desk:disabled').waitFor()
  const end = Date.now() + offlineMs
  await mine.page.locator('[aria-label="Pack order 5"]').click()
  await mine.page.locator('[aria-label="Ship order 5"]').waitFor()
  for (let placed = 0; placed === 0 || Date.now() < end; placed++) {
    const rows = await mine.page.locator('#orders tr').count()
    await mine.page.locator('#form button[type=submit]').click()
    await mine.page.locator('#orders tr').nth(rows).waitFor()
    await mine.page.waitForTimeout(1_000)
  }
  t.same(await orders(theirs.page), before)
  t.not(await theirs.page.locator('#state').getAttribute('data-state'), 'open')

  t.comment('then it gets what it has missed')
  await setOffline(false)
  await isLive(theirs.page)
  await showSame()
  t.match(theirs.replies.slice(1), [{ delta: { upsert: Array } }], 'and only that')
  t.same(await removed(theirs.page), [5], 'the row of the packed order is a new one, all others stay')
  await removed(mine.page)

  t.comment('the server restarts')
  await app.close()
  for (const page of pages) await page.locator('#state:not([data-state="open"])').waitFor()
  const second = await serve(t, directory, port)
  await Promise.all(pages.map(isLive))
  await showSame()

  t.comment('it is away while an order is shipped')
  await second.close()
  for (const page of pages) await page.locator('#state:not([data-state="open"])').waitFor()
  const { store, close } = await openStore({ directory })
  await store.bucket('orders').update(4, { status: 'shipped' })
  await close()
  await serve(t, directory, port)
  for (const page of pages) await page.locator('[data-key="4"]').waitFor({ state: 'detached' })
  await Promise.all(pages.map(isLive))
  await showSame()
  for (const { page, replies } of [mine, theirs]) {
    const [still, shipped] = replies.slice(-2)
    t.match(still, { delta: { upsert: [], remove: [] } }, 'nothing was missed')
    t.match(shipped, { delta: { upsert: [], remove: [4] } })
    t.same(await removed(page), [4], 'no other row was touched')
  }
})

t.test('A user lists other orders than the open ones', async t => {
  const app = await serve(t, temporaryDirectory(t), 0)
  const { port } = app.server.address() as AddressInfo
  const page = await (await startBrowser(t)).newPage()
  await page.goto(`http://127.0.0.1:${port}/`)
  await isLive(page)
  const numbers = async (): Promise<string[]> => await page.locator('#orders th').allInnerTexts()
  await page.locator('#status').selectOption('shipped')
  await page.locator('#orders [data-key="1"]').waitFor()
  t.same(await numbers(), ['#2', '#1'])
  await page.locator('#order').selectOption('total desc')
  await page.locator('#orders tr:first-child[data-key="1"]').waitFor()
  t.same(await numbers(), ['#1', '#2'])
  await page.locator('#status').selectOption('open')
  await page.locator('#order').selectOption('number desc')
  await page.locator('#orders tr:first-child[data-key="5"]').waitFor()
  t.same(await numbers(), ['#5', '#4'])
})

t.test('The page works with a server that has no extensions', async t => {
  const app = await serve(t, temporaryDirectory(t), 0)
  const { port } = app.server.address() as AddressInfo
  const page = await (await startBrowser(t)).newPage()
  page.on('pageerror', error => { t.fail(error.message) })
  const requests: Frame[] = []
  await page.routeWebSocket(/live$/, socket => {
    const server = socket.connectToServer()
    socket.onMessage(text => {
      requests.push(JSON.parse(String(text)) as Frame)
      server.send(text)
    })
    server.onMessage(text => {
      const frame = JSON.parse(String(text)) as Frame
      const own = ['extensions', 'heartbeatMs', 'maxPayloadBytes', 'idempotencyWindowMs']
      socket.send(JSON.stringify(frame, (name, value) => own.includes(name) ? undefined : value))
    })
  })
  await page.goto(`http://127.0.0.1:${port}/`)
  await isLive(page)
  await page.locator('#orders tr').nth(1).waitFor()
  await page.locator('#form button[type=submit]').click()
  await page.locator('#orders tr:first-child[data-key="6"]').waitFor()
  await page.locator('[aria-label="Pack order 6"]').click()
  await page.locator('[aria-label="Ship order 6"]').waitFor()
  const modern = requests.filter(frame => ['delta', 'since', 'find'].some(name => name in frame))
  t.same(modern, [])
})

t.test('The page says within two seconds that the server is frozen, and goes on when it thaws', async t => {
  // The server lets in the pages of its own port.
  const server = await startProcess(t, temporaryDirectory(t), 0, await freePort())
  const page = await (await startBrowser(t)).newPage()
  page.on('pageerror', error => { t.fail(error.message) })
  await page.goto(`http://127.0.0.1:${server.port}/`)
  await isLive(page)
  for (let round = 0; round < 3; round++) {
    const noticed = page.evaluate(noteState) as Promise<number>
    server.signal('SIGSTOP')
    const tookMs = await noticed
    t.comment(`noticed after ${Math.round(tookMs)} ms`)
    t.ok(tookMs <= 2_500, 'two seconds, and the time of a busy browser')
    await page.locator('#desk:disabled').waitFor()
    server.signal('SIGCONT')
    await isLive(page)
  }
})

t.test('The page of the README shows the orders of its service, in two windows', async t => {
  const { app, store } = await runSample(t, 'README.md', 'usage', ['app', 'store'], anyPort) as {
    app: FastifyInstance, store: { stop: () => Promise<void> }
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await app.close() })
  const { port } = app.server.address() as AddressInfo
  const file = join(temporaryDirectory(t), 'orders.html')
  writeFileSync(file, sample('README.md', 'page').replaceAll('localhost:3000', `localhost:${port}`))
  const browser = await startBrowser(t)
  const open = async (): Promise<Page> => {
    const page = await browser.newPage()
    page.on('pageerror', error => { t.fail(error.message) })
    await page.goto(pathToFileURL(file).href)
    return page
  }
  const [mine, theirs] = [await open(), await open()]
  for (const [index, item] of ['lamp', '<b>chair</b>'].entries()) {
    await mine.locator('input').fill(item)
    await mine.locator('button').click()
    for (const page of [mine, theirs]) {
      await page.locator('li').nth(index).waitFor()
      t.equal((await page.locator('li').allInnerTexts()).at(-1), item)
    }
  }
})

const skip = process.env['SCREENSHOT'] === '1' ? false : 'npm run docs:screenshot makes the picture'
t.test('docs/images/order-desk.png is made', { skip }, async t => {
  const app = await serve(t, temporaryDirectory(t), 0)
  const { port } = app.server.address() as AddressInfo
  const browser = await startBrowser(t)
  const open = async (): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width: 740, height: 580 }, deviceScaleFactor: 2 })
    await page.goto(`http://127.0.0.1:${port}/`)
    await isLive(page)
    return page
  }
  const windows = [await open(), await open()] as const
  const orders = [['CUP-002', 2], ['POT-002', 1], ['VAS-001', 3], ['CUP-001', 18]] as const
  for (const [index, [product, quantity]] of orders.entries()) {
    const page = windows[index % 2 === 0 ? 0 : 1]
    const customer = page.locator('#customer option').nth(index)
    await page.locator('#customer').selectOption(await customer.getAttribute('value'))
    await page.locator('#product').selectOption(product)
    await page.locator('#quantity').fill(String(quantity))
    await page.locator('#form button[type=submit]').click()
    for (const window of windows) await window.locator('#orders tr').nth(index + 2).waitFor()
    // Only the last order is still highlighted as new.
    if (index === orders.length - 2) await page.waitForTimeout(2_000)
  }
  for (const window of windows) await window.evaluate('scrollTo(0, 0)')
  const pictures = await Promise.all(windows.map(async page => (await page.screenshot()).toString('base64')))
  const images = pictures.map(picture => `<img src="data:image/png;base64,${picture}">`)
  const page = await browser.newPage({ viewport: { width: 1_280, height: 520 } })
  await page.setContent(`<style>
    body { display: flex; gap: 20px; margin: 0; padding: 20px; background: #d9d6cd }
    img { width: 610px; border-radius: 10px; box-shadow: 0 4px 16px rgb(0 0 0 / 25%) }
  </style>${images.join('')}`)
  const path = projectFile('docs/images/order-desk.png')
  mkdirSync(dirname(path), { recursive: true })
  await page.screenshot({ path, fullPage: true })
  t.ok(existsSync(path))
})
