import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { serve } from '../support/service.js'
import { until } from '../support/until.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const TABS = 10

const page = `<!doctype html><title>tabs</title><script type="module">
  import { createClient } from '/client/index.js'
  const client = window.client = createClient('/live', { tabs: true, heartbeatMs: 500 })
  const items = client.query({ bucket: 'items', sort: { n: 'asc' } })
  items.subscribe(() => {})
  window.show = () => items.status + ' ' + (items.getSnapshot() ?? []).map(({ n }) => n)
</script>`

/** The names of the page. */
declare const client: any
declare const show: () => string

async function transportOf (tab: Page): Promise<string> {
  return await tab.evaluate(() => `${client.state.value} ${client.state.transport}`)
}

async function leaderOf (tabs: Page[]): Promise<Page> {
  const transports = await Promise.all(tabs.map(transportOf))
  return tabs[transports.indexOf('open websocket')] as Page
}

t.test('ten tabs of a browser have one connection, also when the tab that has it dies', async t => {
  const { app, store, port } = await serve(t, { path: '/live', routes: { client: '/client' } }, {
    before: async app => {
      app.get('/', async (_request, reply) => await reply.type('text/html').send(page))
    }
  })
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(async () => { await browser.close() })
  const context = await browser.newContext()
  let tabs: Page[] = []
  for (let i = 0; i < TABS; i++) {
    const tab = await context.newPage()
    tab.on('pageerror', error => { t.fail(error.message) })
    tabs.push(tab)
  }
  await Promise.all(tabs.map(async tab => await tab.goto(`http://127.0.0.1:${port}/`)))

  const areAll = async (shown: string): Promise<void> => {
    await until(async () => (await Promise.all(tabs.map(async tab => await tab.evaluate(() => show()))))
      .every(text => text === shown))
    // That of a tab that has died may be closing.
    await until(() => app.noex.connectionCount === 1)
    t.pass(shown)
  }
  /** One write of each tab, so that the rows that there are afterwards say whether each happened once. */
  const write = (from: number, writers = tabs): Array<Promise<void>> => writers.map(async (tab, i) => {
    await tab.evaluate(async n => {
      const members = { bucket: 'items', data: { n } }
      await client.request('store.insert', members, { retry: true, timeoutMs: 20_000 })
    }, from + i)
  })
  let expected: number[] = []
  const written = (from: number, count: number): string => {
    expected = [...expected, ...Array.from({ length: count }, (_, i) => from + i)]
    return `live ${expected}`
  }

  await areAll('live ')
  t.same((await Promise.all(tabs.map(transportOf))).sort(),
    [...Array(TABS - 1).fill('open tab'), 'open websocket'])
  await Promise.all(write(0))
  await areAll(written(0, TABS))

  t.comment('the tab with the connection is closed')
  let leader = await leaderOf(tabs)
  tabs = tabs.filter(tab => tab !== leader)
  let writes = write(100)
  await leader.close()
  await Promise.all(writes)
  await areAll(written(100, tabs.length))

  t.comment('is frozen, and wakes up')
  leader = await leaderOf(tabs)
  const devTools = await context.newCDPSession(leader)
  const all = tabs
  await devTools.send('Debugger.enable')
  await devTools.send('Debugger.pause')
  const isPaused = new Promise(resolve => { devTools.once('Debugger.paused', resolve) })
  leader.evaluate(() => 0).catch(() => {})
  await isPaused
  tabs = tabs.filter(tab => tab !== leader)
  await Promise.all(write(200))
  await until(async () => await leaderOf(tabs) !== undefined)
  const shown = written(200, tabs.length)
  await devTools.send('Debugger.disable')
  tabs = all
  await until(async () => await transportOf(leader) === 'open tab')
  await areAll(shown)

  t.comment('is killed')
  leader = await leaderOf(tabs)
  tabs = tabs.filter(tab => tab !== leader)
  writes = write(300)
  const crashed = leader.waitForEvent('crash')
  ;(await context.newCDPSession(leader)).send('Page.crash').catch(() => {})
  await crashed
  await Promise.all(writes)
  await areAll(written(300, tabs.length))
  t.equal(await store.bucket('items').count(), expected.length)
})
