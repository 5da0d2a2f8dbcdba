import type { Page } from 'playwright-core'
import t from 'tap'
import type { Frame } from '../support/client.js'
import { firstCells, goTo, isLive, openWindow, startBrowser } from '../support/console.js'
import { serve } from '../support/service.js'
import { until } from '../support/until.js'

const routes = { console: '/console' }

/** Time to the first paint, in milliseconds. */
const PAINT_MS = 200

/** Records of the bucket that is paged through; a million takes a minute to write. */
const records = process.env['THOROUGH'] === '1' ? 1_000_000 : 100_000

/** Answers requests of one operation in the place of the server; all else passes. */
async function answerInstead (
  page: Page, answers: Readonly<Record<string, (request: Frame) => unknown>>
): Promise<Frame[]> {
  const asked: Frame[] = []
  await page.routeWebSocket(/live$/, socket => {
    const server = socket.connectToServer()
    socket.onMessage(text => {
      const request = JSON.parse(String(text)) as Frame
      asked.push(request)
      const answer = answers[String(request['type'])]
      if (answer === undefined) server.send(text)
      else socket.send(JSON.stringify({ id: request['id'], type: 'result', data: answer(request) }))
    })
  })
  return asked
}

/** Counts the rows that are in the document. */
async function rowsIn (page: Page): Promise<number> {
  return await page.locator('tbody tr:not(.spacer)').count()
}

t.test('10,000 connections and 1,000 queries are lists that scroll, search and sort at once', async t => {
  const { port } = await serve(t, { path: '/live', routes })
  const connections = Array.from({ length: 10_000 }, (_value, n) => ({
    connectionId: `conn-${n}`,
    remoteAddress: `10.0.${n >> 8}.${n & 255}`,
    connectedAt: Date.now() - n * 1_000,
    authenticated: true,
    userId: `user-${n % 3_000}`,
    userName: n === 7_777 ? 'zorro' : `user ${n % 3_000}`,
    roles: ['reader'],
    storeSubscriptionCount: n % 5,
    rulesSubscriptionCount: 0,
    bytesQueued: n === 5_555 ? 5_000_000 : 0,
    requests: n === 9_999 ? 1_000_000_000 : n
  }))
  const queries = Array.from({ length: 1_000 }, (_value, n) => ({
    id: `q${n}`,
    query: `query-${n}`,
    kind: 'code',
    watchers: 1,
    evaluations: n,
    seconds: n / 10,
    lastMs: 1,
    maxMs: n,
    rows: n,
    bytes: n * 100,
    slow: n > 900 ? 1 : 0
  }))
  const page = await openWindow(t, await startBrowser(t), 'about:blank')
  const asked = await answerInstead(page, {
    'server.connections': ({ user, limit = 100, after }) => {
      const fitting = connections.filter(({ userName }) =>
        user === undefined || userName.startsWith(String(user)))
      const start = after === undefined
        ? 0
        : fitting.findIndex(({ connectionId }) => connectionId === after) + 1
      const list = fitting.slice(start, start + Number(limit))
      return { connections: list, more: start + list.length < fitting.length, total: fitting.length }
    },
    'server.queries': ({ filter }) => {
      const fitting = queries.filter(({ query }) => filter === undefined || query.includes(String(filter)))
      return { queries: fitting, more: false, total: fitting.length }
    }
  })
  await page.goto(`http://127.0.0.1:${port}/console#/connections`)
  await page.getByText('10,000 rows').waitFor()
  t.ok(await rowsIn(page) < 100, 'only what is seen is in the document')
  t.equal((await firstCells(page, 'Connections'))[0], 'conn-9999', 'the noisiest first')
  t.equal(asked.filter(({ type }) => type === 'server.connections').length, 10, 'in ten answers')
  t.comment('the end of the list')
  await page.evaluate('document.querySelector(".scroller").scrollTop = 1e9')
  await until(async () => (await firstCells(page, 'Connections')).includes('conn-0'))
  t.ok(await rowsIn(page) < 100)
  t.comment('by what waits for them')
  await page.getByRole('columnheader', { name: 'Queued' }).click()
  await page.evaluate('document.querySelector(".scroller").scrollTop = 0')
  await until(async () => (await firstCells(page, 'Connections'))[0] === 'conn-5555')
  const took = await page.evaluate(`(async () => {
    const began = performance.now()
    document.querySelectorAll('th button')[1].click()
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))
    return performance.now() - began
  })()`) as number
  t.comment(`a sort by another column takes ${Math.round(took)} ms`)
  t.ok(took < 1_000)
  await page.getByRole('searchbox', { name: 'User' }).fill('zorro')
  await until(async () => (await firstCells(page, 'Connections')).join() === 'conn-7777')

  await goTo(page, 'queries', 'Live queries')
  await page.getByText('1,000 rows').waitFor()
  t.equal((await firstCells(page, 'Live queries'))[0], 'query-999')
  t.ok(await rowsIn(page) < 100)
  await page.getByRole('searchbox', { name: 'Query or bucket' }).fill('query-12')
  await page.getByText('11 rows').waitFor()
})

t.test('a large bucket is browsed by page, and filtered', async t => {
  const { port, store } = await serve(t, { path: '/live', routes })
  for (let n = 0; n < records; n += 10_000) {
    await store.bucket('items').insertMany(Array.from({ length: 10_000 }, (_value, i) => ({
      id: `r${String(n + i).padStart(7, '0')}`, name: `name ${n + i}`, n: n + i
    })))
  }
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console#/data`)
  const count = records.toLocaleString('en')
  await page.getByRole('table', { name: 'Buckets' }).getByText(count).waitFor()
  await page.getByRole('button', { name: 'items' }).click()
  await page.getByText('1 to 100', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByText('101 to 200', { exact: true }).waitFor()
  t.equal((await firstCells(page, 'Records of items'))[0], 'r0000100')
  await page.getByRole('button', { name: 'Previous' }).click()
  await page.getByText('1 to 100', { exact: true }).waitFor()
  await page.getByLabel('Filter').fill(`{"n":{"$gte":${records - 3}}}`)
  await page.getByRole('button', { name: 'Show' }).click()
  await until(async () => (await firstCells(page, 'Records of items')).length === 3)
  await page.getByLabel('Filter').fill('{"n":')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('The filter is no JSON').waitFor()
  await page.getByLabel('Filter').fill('{"nme":1}')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.locator('.problem').filter({ hasText: 'nme' }).waitFor()
})

t.test('a page that is hidden, or closed, asks for nothing', async t => {
  const { port, app } = await serve(t, { path: '/live', routes })
  const page = await openWindow(t, await startBrowser(t), 'about:blank')
  const asked = await answerInstead(page, {})
  const show = async (state: string): Promise<void> => {
    await page.evaluate(`
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => '${state}' })
      document.dispatchEvent(new Event('visibilitychange'))`)
  }
  await page.goto(`http://127.0.0.1:${port}/console`)
  await isLive(page)
  await until(() => asked.filter(({ type }) => type === 'server.stats').length >= 2)
  await show('hidden')
  await page.waitForTimeout(300)
  const before = asked.length
  await page.waitForTimeout(6_000)
  t.equal(asked.length, before)
  await show('visible')
  await until(() => asked.length > before)
  t.comment('only the page that is shown asks')
  await goTo(page, 'procedures', 'Procedures')
  await page.waitForTimeout(300)
  asked.length = 0
  await page.waitForTimeout(5_000)
  t.same(asked.map(({ type }) => type), [])
  await page.close()
  await until(() => app.noex.connectionCount === 0)
})

t.test('the first paint comes at once', async t => {
  const { port } = await serve(t, { path: '/live', routes })
  const browser = await startBrowser(t)
  const paint = 'performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0'
  const paintOf = async (path: string): Promise<number> => {
    const page = await openWindow(t, browser, `http://127.0.0.1:${port}${path}`)
    await until(async () => await page.evaluate(paint) as number > 0)
    const ms = await page.evaluate(paint) as number
    await page.context().close()
    return ms
  }
  const paints: number[] = []
  // The plainest page that there is: it takes as long as this machine is busy.
  const plain: number[] = []
  for (let round = 0; round < 8; round++) {
    plain.push(await paintOf('/live'))
    paints.push(await paintOf('/console/'))
  }
  const texts = [paints, plain].map(list => list.map(ms => Math.round(ms)).join(', '))
  t.comment(`first contentful paint after ${texts[0]} ms; of a page without a style after ${texts[1]} ms`)
  t.ok(Math.min(...paints) - Math.min(...plain) <= PAINT_MS)
})
