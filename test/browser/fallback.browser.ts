// A page that can have no WebSocket, in a real browser: of the service's own origin, and of others.
import { build } from 'esbuild'
import Fastify, { type FastifyInstance } from 'fastify'
import { chromium, type Browser, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { noexPlugin } from '../../lib/index.js'
import { streamRoutes } from '../support/events.js'
import { freePort } from '../support/free-port.js'
import { projectFile } from '../support/project-file.js'
import { startStore } from '../support/service.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const find = { bucket: 'items', sort: { n: 'asc' } }

/** A page that shows the state of its client, the rows of a live query, and those of an EventSource. */
function pageOf (service: string): string {
  return `<!doctype html><meta charset="utf-8">
<p id="state"></p><p id="error"></p><p id="rows"></p><p id="events"></p>
<script type="module">
import { createClient } from './client.js'
const show = (id, text) => { document.getElementById(id).textContent = text }
const client = createClient('${service}/live', { minDelayMs: 50 })
client.state.subscribe(() => {
  show('state', client.state.value + ' ' + client.state.transport)
  show('error', client.state.error?.message ?? '')
})
const numbers = rows => rows?.map(({ n }) => n).join() || 'none'
const all = client.query(${JSON.stringify(find)})
all.subscribe(() => { show('rows', numbers(all.getSnapshot())) })
globalThis.add = n => client.request('store.insert', { bucket: 'items', data: { n } })
new EventSource('${service}/events?find=' + encodeURIComponent('${JSON.stringify(find)}'))
  .onmessage = ({ data }) => { show('events', numbers(JSON.parse(data))) }
</script>`
}

/** Serves the page at a port. */
async function servePage (app: FastifyInstance, page: string): Promise<void> {
  const { outputFiles: [client] } = await build({
    entryPoints: [projectFile('dist/lib/client/index.js')], bundle: true, format: 'esm', write: false
  })
  app.get('/', async (_request, reply) => await reply.type('text/html').send(page))
  app.get('/client.js', async (_request, reply) => await reply.type('text/javascript').send(client?.text))
}

async function open (t: Test, browser: Browser, url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.on('pageerror', error => { t.fail(error.message) })
  await page.addInitScript('delete globalThis.WebSocket')
  await page.goto(url)
  return page
}

async function shows (page: Page, texts: Readonly<Record<string, string>>): Promise<void> {
  for (const [id, text] of Object.entries(texts)) await page.locator(`#${id}:text-is("${text}")`).waitFor()
}

t.test('pages without WebSockets are live over plain HTTP, where their origin may connect', async t => {
  const store = await startStore(t)
  await store.defineBucket('items', {
    key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, n: { type: 'number' } }
  })
  const ports = [await freePort(), await freePort(), await freePort()] as const
  const [own, friend, stranger] = ports.map(port => `http://127.0.0.1:${port}`) as [string, string, string]
  const apps = ports.map(() => Fastify({ forceCloseConnections: true }))
  t.teardown(async () => { await Promise.all(apps.map(async app => { await app.close() })) })
  const service = apps[0] as unknown as FastifyInstance
  await service.register(noexPlugin, {
    store, path: '/live', allowedOrigins: [own, friend], routes: streamRoutes
  })
  for (const [i, app] of apps.entries()) {
    await servePage(app as unknown as FastifyInstance, pageOf(own))
    await app.listen({ port: ports[i] as number, host: '127.0.0.1' })
  }

  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(async () => { await browser.close() })
  const pages = [await open(t, browser, own), await open(t, browser, friend)]
  for (const page of pages) await shows(page, { state: 'open http', rows: 'none', events: 'none' })
  t.equal(service.noex.connectionCount, 4, 'two clients, and two of EventSource')
  await pages[0]?.evaluate('add(2)')
  await pages[1]?.evaluate('add(1)')
  for (const page of pages) await shows(page, { rows: '1,2', events: '1,2' })

  const refused = await open(t, browser, stranger)
  await refused.locator('#error', { hasText: '/events' }).waitFor()
  t.comment(await refused.locator('#error').innerText())
  t.equal(await refused.locator('#rows').innerText(), '')
  t.equal(service.noex.connectionCount, 4)

  const wrongPath = await pages[0]?.evaluate(`import('./client.js').then(({ createClient }) => {
    const client = createClient('/nowhere')
    return new Promise(resolve => {
      client.state.subscribe(() => {
        if (client.state.error === undefined) return
        resolve(client.state.error.message)
        client.close()
      })
    })
  })`)
  t.match(wrongPath, /nowhere answers 404: no WebSocket is at this path/)
  t.equal(service.noex.connectionCount, 4)

  t.comment('the service is away for a moment')
  await service.noex.drain({ gracePeriodMs: 200 })
  for (const page of pages) await page.locator('#state:not(:text-is("open http"))').waitFor()
})
