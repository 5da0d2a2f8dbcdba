import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'
import { firstCells, goTo, isLive, openWindow, startBrowser } from '../support/console.js'
import { freePort } from '../support/free-port.js'
import { serve } from '../support/service.js'
import { smallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { until } from '../support/until.js'

const routes = { console: '/console' }
const items = { key: 'id', schema: { id: { type: 'string' }, name: { type: 'string' } } } as const

/** Serves a durable store with a bucket `items`; `stop` ends both. */
async function serveDurable (
  t: Test, directory: string, port = 0
): Promise<{ readonly app: FastifyInstance, readonly store: Store, readonly stop: () => Promise<void> }> {
  const store = await Store.start({ durability: { directory, onNotice: () => {} } })
  const app = Fastify({ forceCloseConnections: true })
  let isStopped = false
  const stop = async (): Promise<void> => {
    if (isStopped) return
    isStopped = true
    await app.close()
    await store.stop().catch(() => {})
  }
  t.teardown(stop)
  if (!store.hasBucket('items')) await store.defineBucket('items', items)
  await app.register(noexPlugin, {
    store, path: '/live', routes, shutdown: { gracePeriodMs: 500, drainDelayMs: 0 }
  })
  await app.listen({ port, host: '127.0.0.1' })
  return { app, store, stop }
}

t.test('the server is gone while an operator types: nothing is lost, also over a restart', async t => {
  const directory = temporaryDirectory(t)
  const port = await freePort()
  const first = await serveDurable(t, directory, port)
  await first.store.bucket('items').insert({ id: 'a', name: 'lamp' })
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console#/data/items`)
  await isLive(page)
  await page.getByRole('button', { name: 'a', exact: true }).click()
  const text = page.getByLabel('Fields')
  await text.fill('{"name":"')
  await first.stop()
  await page.locator('.state:not([data-state="open"])').waitFor()
  await text.pressSequentially('table"}')
  await page.getByRole('button', { name: 'Save' }).click()
  t.match(await page.getByRole('dialog').getByRole('alert').innerText(), /no connection: nothing has been done/)
  t.match(await page.locator('.banner').innerText(), /All that you see is of before/)
  t.comment('it is back')
  const second = await serveDurable(t, directory, port)
  await isLive(page)
  t.equal(await text.inputValue(), '{"name":"table"}')
  t.ok(await text.isVisible())
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  t.match(await second.store.bucket('items').get('a'), { name: 'table' })
  t.equal(await page.locator('.banner:visible').count(), 0)
})

t.test('a disk that is full is told, with what it means, and that it is over', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const { app, store } = await serveDurable(t, disk.directory)
  const { port } = app.server.address() as { port: number }
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console`)
  const safety = page.locator('.tone')
  // So small a disk has little room at the best of times.
  const isWell = /The store is on disk|nearly full/
  await safety.filter({ hasText: isWell }).waitFor()
  disk.fill()
  for (let n = 0; n < 200 && store.durability.state !== 'unavailable'; n++) {
    await store.bucket('items').insert({ id: String(n), name: 'x'.repeat(1_000) }).catch(() => {})
  }
  await safety.filter({ hasText: 'every write is refused' }).waitFor()
  t.equal(await safety.getAttribute('data-tone'), 'bad')
  t.comment('an operator who writes is told, too')
  await goTo(page, 'data/items', 'items')
  await page.getByRole('button', { name: 'New record…' }).click()
  await page.getByRole('textbox', { name: 'Record' }).fill('{"id":"mine"}')
  await page.getByRole('button', { name: 'Insert' }).click()
  await page.getByRole('dialog').getByRole('alert').filter({ hasText: /INTERNAL_ERROR/ }).waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  disk.free()
  await goTo(page, 'overview', 'Overview')
  await until(async () => await store.bucket('items').upsert({ id: 'after', name: 'x' })
    .then(() => true, () => false))
  await safety.filter({ hasText: isWell }).waitFor()
})

t.test('the slowest query, the noisiest client and the reason of a refusal are found', async t => {
  const { app, port, store, connect } = await serve(t, { path: '/live', routes })
  store.defineQuery('heavy-report', async context => {
    const end = performance.now() + 120
    while (performance.now() < end);
    return await context.bucket('items').count()
  })
  store.defineDeclarativeQuery('cheap', { bucket: 'items' })
  const [noisy, quiet] = [await connect(), await connect()]
  const [noisyId = '', quietId = ''] = app.noex.getConnections().map(info => info.connectionId)
  await quiet.ask('store.subscribe', { query: 'cheap' })
  await quiet.ask('store.subscribe', { query: 'heavy-report' })
  for (let n = 0; n < 5; n++) await store.bucket('items').insert({ n })
  for (let n = 0; n < 500; n++) await noisy.ask('store.count', { bucket: 'items' })
  noisy.send({ id: 9_999, type: 'store.get', bucket: 'itmes', key: 1 })
  await noisy.next()
  const began = Date.now()
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console`)
  await isLive(page)
  const refusals = page.getByRole('table', { name: 'Last refusals' })
  await refusals.getByText('"itmes" is not defined').waitFor()
  await page.getByRole('link', { name: 'Live queries' }).first().click()
  await page.getByRole('button', { name: 'heavy-report' }).waitFor()
  t.equal((await firstCells(page, 'Live queries'))[0], 'heavy-report', 'the costly first')
  await page.getByRole('button', { name: 'heavy-report' }).click()
  t.match(await page.getByRole('complementary', { name: 'Query' }).innerText(), /longest [1-9]\d\d ms/)
  await page.getByRole('link', { name: 'Connections that watch it' }).click()
  await page.getByRole('heading', { name: 'Connections', level: 1 }).waitFor()
  await until(async () => (await firstCells(page, 'Connections').catch(() => [])).length === 1)
  t.match(await firstCells(page, 'Connections'), [quietId], 'the one that watches it')
  await goTo(page, 'connections', 'Connections')
  await page.getByRole('button', { name: noisyId, exact: true }).waitFor()
  await page.getByRole('columnheader', { name: 'Requests', exact: true }).click()
  await until(async () => (await firstCells(page, 'Connections'))[0] === noisyId)
  await page.getByRole('button', { name: noisyId, exact: true }).click()
  await page.getByRole('table', { name: 'Its last refusals' }).getByText('BUCKET_NOT_DEFINED').waitFor()
  t.comment(`all three found by a program in ${Date.now() - began} ms`)
  await page.getByRole('button', { name: 'Close connection…' }).click()
  await page.getByRole('dialog').getByLabel('Reason').fill('too loud')
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  t.match(await noisy.closed, { code: 4004, reason: 'closed_by_operator' })
})

t.test('a drain is begun by who has confirmed it', async t => {
  const { port, app } = await serve(t, {
    path: '/live', routes, shutdown: { gracePeriodMs: 30_000, drainDelayMs: 0 }
  })
  const page = await openWindow(t, await startBrowser(t), `http://127.0.0.1:${port}/console#/drain`)
  await page.getByRole('button', { name: 'Drain this server…' }).click()
  t.equal(await page.evaluate('document.activeElement.textContent'), 'Cancel', 'Enter does no harm')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  t.equal(app.noex.state, 'serving')
  await page.getByRole('button', { name: 'Drain this server…' }).click()
  await page.getByRole('dialog').getByLabel('Time for clients').fill('1')
  await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click()
  await until(() => app.noex.state !== 'serving')
  await page.locator('.state:not([data-state="open"])').waitFor()
})
