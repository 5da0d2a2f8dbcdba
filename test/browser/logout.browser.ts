import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { serveTokens } from '../support/external-auth.js'
import { until } from '../support/until.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

const page = `<!doctype html><title>logout</title><p id="rows"></p>
<script type="module">
  import { createClient } from '/client/index.js'
  const getToken = () => localStorage.getItem('user') ?? 'writer'
  const client = window.client = createClient('/', { getToken, tabs: 'desk' })
  const items = client.query({ bucket: 'items' })
  const show = () => {
    const { status, data, error } = items.state
    const names = (data ?? []).map(({ name }) => name)
    document.all.rows.textContent = [status, ...(error ? [error.code] : []), ...names].join(' ')
  }
  items.subscribe(show)
  show()
</script>`

/** Names of the page. */
declare const client: any
declare const localStorage: { setItem: (name: string, value: string) => void }

t.test('a logout in one tab empties all, and the next user sees nothing of the one before', async t => {
  const { app, store, port } = await serveTokens(t, {}, { revocation: {}, routes: { client: '/client' } }, {
    before: async app => {
      app.get('/page', async (_request, reply) => await reply.type('text/html').send(page))
    }
  })
  await store.bucket('items').insert({ name: 'secret' })
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(async () => { await browser.close() })
  const context = await browser.newContext()
  const tabs: Page[] = []
  for (let i = 0; i < 3; i++) {
    const tab = await context.newPage()
    tab.on('pageerror', error => { t.fail(error.message) })
    await tab.goto(`http://127.0.0.1:${port}/page`)
    tabs.push(tab)
  }
  const areAll = async (text: string): Promise<void> => {
    await until(async () => (await Promise.all(tabs.map(async tab => await tab.textContent('#rows'))))
      .every(shown => shown === text))
    t.pass(text)
  }
  await areAll('live secret')
  t.equal(app.noex.connectionCount, 1)
  for (const index of [0, 2]) {
    await tabs[index]?.evaluate(async () => await client.request('auth.logout'))
    await areAll('error LOGGED_OUT')
    await tabs[0]?.evaluate(() => { localStorage.setItem('user', 'reader') })
    for (const tab of tabs) await tab.evaluate(() => { client.reconnect() })
    await areAll('live secret')
    const users = await Promise.all(tabs.map(async tab =>
      await tab.evaluate(async () => (await client.request('auth.whoami')).userId)))
    t.same(users, ['rita', 'rita', 'rita'])
  }
  app.noex.revokeSession('rita')
  await areAll('error SESSION_REVOKED')
})
