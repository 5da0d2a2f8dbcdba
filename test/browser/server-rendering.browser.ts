import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type BuildOptions } from 'esbuild'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { chromium } from 'playwright-core'
import t, { type Test } from 'tap'
import { noexPlugin } from 'fastify-noex'
import { Store } from 'fastify-noex/store'
import { Barrier } from '../support/barrier.js'
import { sample } from '../support/documents.js'
import { projectFile } from '../support/project-file.js'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']

/** Notes each change of the list from now on, and marks its rows. */
const watchPage = `<script>
  const list = document.querySelector('ul')
  window.rows = [...list.children]
  window.changes = []
  new MutationObserver(changes => {
    for (const change of changes) window.changes.push(list.textContent, change.removedNodes.length)
  }).observe(document.getElementById('app'), { childList: true, subtree: true, characterData: true })
</script>`

/** Bundles the samples of docs/frameworks.md: returns the code for the browser, and `renderPage`. */
async function buildSamples (t: Test) {
  const folder = projectFile(`.tap/samples/rendering-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const files = { app: 'ssr-app', page: 'ssr-server', browser: 'ssr-browser' }
  for (const [file, name] of Object.entries(files)) {
    writeFileSync(join(folder, `${file}.tsx`), sample('docs/frameworks.md', name))
  }
  const options = {
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    // tap has a React of its own, which lies at the top.
    alias: {
      react: projectFile('tools/node_modules/react'),
      'react-dom': projectFile('tools/node_modules/react-dom')
    }
  } satisfies BuildOptions
  const browser = await build({ ...options, entryPoints: [join(folder, 'browser.tsx')] })
  const outfile = join(folder, 'page.mjs')
  // React asks for modules of Node by require.
  const js = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)'
  const entryPoints = [join(folder, 'page.tsx')]
  await build({ ...options, entryPoints, platform: 'node', outfile, banner: { js }, write: true })
  const { renderPage } = await import(pathToFileURL(outfile).href) as {
    renderPage: (app: FastifyInstance, request: FastifyRequest) => Promise<string>
  }
  return { script: browser.outputFiles[0]!.text, renderPage }
}

t.test('a page that a server has rendered is taken over without a flash, and is live', async t => {
  const { script, renderPage } = await buildSamples(t)
  const store = await Store.start()
  t.teardown(async () => { await store.stop() })
  await store.defineBucket('orders', {
    key: 'id', schema: { id: { type: 'string' }, item: { type: 'string' } }
  })
  store.defineDeclarativeQuery('all-orders', { bucket: 'orders', sort: { item: 'asc' } })
  const orders = store.bucket('orders')
  await orders.insert({ id: '1', item: '</script><b>lamp' })
  await orders.insert({ id: '2', item: 'table' })
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  app.register(noexPlugin, { store, path: '/live' })
  const barrier = new Barrier()
  app.get('/', async (request, reply) => {
    const page = await renderPage(app, request)
    return await reply.type('text/html').send(page.replace('<script type="module"', `${watchPage}$&`))
  })
  app.get('/browser.js', async (_request, reply) => {
    await barrier.pass()
    return await reply.type('text/javascript').send(script)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const browser = await chromium.launch({ executablePath, args })
  t.teardown(async () => { await browser.close() })
  const page = await browser.newPage()
  page.on('pageerror', error => { t.fail(error.message) })

  t.comment('an order comes between the page and its script')
  await page.goto(`http://127.0.0.1:${port}/`, { waitUntil: 'commit' })
  await page.locator('li').nth(1).waitFor()
  t.same(await page.locator('li').allInnerTexts(), ['</script><b>lamp', 'table'])
  await orders.insert({ id: '3', item: 'window' })
  await barrier.release()
  await page.locator('li', { hasText: 'window' }).waitFor()
  t.same(await page.evaluate('window.changes'), ['</script><b>lamptablewindow', 0], 'one row was added, once')
  const isSame = await page.evaluate('window.rows.every((row, i) => row === list.children[i])')
  t.ok(isSame, 'the others are the same')
  await orders.delete('1')
  await page.locator('li', { hasText: 'lamp' }).waitFor({ state: 'detached' })
})
