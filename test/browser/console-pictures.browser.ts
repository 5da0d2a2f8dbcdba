import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { PASSWORD, serveAccounts } from '../support/identity.js'
import { goTo, isLive, logIn, openWindow, startBrowser } from '../support/console.js'
import { projectFile } from '../support/project-file.js'

const skip = process.env['SCREENSHOT'] === '1' ? false : 'npm run docs:screenshot makes the pictures'

/** Time in which the plots get something to show, in milliseconds. */
const BEFORE_MS = 90_000

t.test('docs/images/console-*.png are made', { skip }, async t => {
  const { port, store, user, as } = await serveAccounts(t, {}, {
    name: 'shop-1', path: '/live', routes: { console: '/console' }, audit: {}
  })
  await store.defineBucket('orders', {
    key: 'id',
    schema: {
      id: { type: 'number', generated: 'autoincrement' },
      status: { type: 'string' },
      city: { type: 'string' },
      total: { type: 'number' }
    }
  })
  const orders = store.bucket('orders')
  await orders.insertMany(Array.from({ length: 5_000 }, (_value, n) => ({
    status: ['open', 'packed', 'shipped'][n % 3], city: ['Praha', 'Brno', 'Plzeň'][n % 3], total: n % 400
  })))
  store.defineDeclarativeQuery('open-orders', { bucket: 'orders', filter: { status: 'open' }, limit: 50 })
  store.defineQuery('revenue-by-city', async context =>
    await context.bucket('orders').groupBy('city', { function: 'sum', field: 'total' }))
  const clients = []
  for (const [name, role] of [
    ['alice', 'writer'], ['bob', 'reader'], ['carol', 'writer'], ['dave', 'writer'], ['erin', 'reader']
  ] as const) clients.push(await as(await user(name, role)))
  for (const [index, client] of clients.entries()) {
    await client.ask('store.subscribe', { query: 'open-orders', delta: true })
    if (index % 2 === 0) await client.ask('store.subscribe', { query: 'revenue-by-city' })
    await client.ask('store.subscribe', { find: { bucket: 'orders', filter: { city: 'Brno' }, limit: 10 } })
  }
  const over = new AbortController()
  const work = clients.map(async (client, index) => {
    for (let n = 0; !over.signal.aborted; n++) {
      const key = 1 + (n * 7 + index * 31) % 5_000
      await client.ask('store.get', { bucket: n % 40 === 39 ? 'ordres' : 'orders', key }).catch(() => {})
      if (n % (6 - index) === 0) await orders.update(key, { total: n % 400 })
      await setTimeout((index === 3 ? 15 : 60) + 40 * Math.sin(n / 60) ** 2)
    }
  })
  await user('olga', 'admin')
  const browser = await startBrowser(t)
  const open = async (width: number, height: number, colorScheme: 'light' | 'dark') => {
    const page = await openWindow(t, browser, `http://127.0.0.1:${port}/console`, {
      viewport: { width, height }, colorScheme
    })
    await logIn(page, { username: 'olga', password: PASSWORD })
    await isLive(page)
    return page
  }
  const [wide, narrow] = [await open(1280, 1000, 'light'), await open(360, 740, 'dark')]
  await goTo(narrow, 'connections', 'Connections')
  await setTimeout(BEFORE_MS)
  const path = (name: string): string => projectFile(`docs/images/console-${name}.png`)
  await wide.screenshot({ path: path('overview') })
  await narrow.screenshot({ path: path('narrow') })
  await wide.setViewportSize({ width: 1280, height: 700 })
  await goTo(wide, 'queries', 'Live queries')
  await setTimeout(9_000)
  await wide.getByRole('button', { name: 'revenue-by-city' }).click()
  await setTimeout(4_500)
  await wide.screenshot({ path: path('queries') })
  over.abort()
  await Promise.all(work)
})
