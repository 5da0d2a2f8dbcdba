// A page to which the browser gives no origin: neither storage, nor locks, nor the words of another tab.
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import t from 'tap'
import { projectFile } from '../support/project-file.js'
import { serve } from '../support/service.js'
import { until } from '../support/until.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** The names of the page. */
declare const client: any
declare const show: () => string

async function pageOf (url: string): Promise<string> {
  const { outputFiles: [bundle] } = await build({
    entryPoints: [projectFile('dist/lib/client/index.js')],
    bundle: true,
    format: 'iife',
    globalName: 'noex',
    write: false
  })
  return `<!doctype html><title>sandbox</title><script>${bundle?.text}
    window.client = noex.createClient('${url}/live', { tabs: true, heartbeatMs: 500 })
    const items = client.query({ bucket: 'items', sort: { n: 'asc' } })
    items.subscribe(() => {})
    window.show = () => items.status + ' ' + (items.getSnapshot() ?? []).map(({ n }) => n)
  </script>`
}

t.test('a sandboxed page is live without storage, locks and tabs', async t => {
  let page = ''
  const { app, url, port, store } = await serve(t, { path: '/live', allowedOrigins: ['null'] }, {
    before: async app => {
      app.get('/', async (_request, reply) => await reply
        .header('content-security-policy', 'sandbox allow-scripts').type('text/html').send(page))
    }
  })
  page = await pageOf(url)
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  t.teardown(async () => { await browser.close() })
  const context = await browser.newContext()
  const tabs = [await context.newPage(), await context.newPage()]
  for (const tab of tabs) {
    tab.on('pageerror', error => { t.fail(error.message) })
    await tab.goto(`http://127.0.0.1:${port}/`)
    const storage = await tab.evaluate(() => {
      try { return String((globalThis as any).localStorage) } catch (error) { return (error as Error).name }
    })
    t.equal(storage, 'SecurityError', 'the browser forbids storage')
  }
  const areAll = async (shown: string): Promise<void> => {
    await until(async () => (await Promise.all(tabs.map(async tab => await tab.evaluate(() => show()))))
      .every(text => text === shown))
    t.pass(shown)
  }
  await areAll('live ')
  for (const tab of tabs) t.equal(await tab.evaluate(() => client.state.transport), 'websocket', 'its own')
  await tabs[0]?.evaluate(async () => {
    await client.request('store.insert', { bucket: 'items', data: { n: 1 } })
  })
  await areAll('live 1')
  t.equal(app.noex.connectionCount, 2)
  await store.bucket('items').insert({ n: 2 })
  await areAll('live 1,2')
})
