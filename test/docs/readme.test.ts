import { readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import type { Store } from '@hamicek/noex-store'
import { TestClient, type Frame } from '../support/client.js'
import { projectFile } from '../support/project-file.js'
import { createClient, type Client, type WebSocketClass } from '../../lib/client/index.js'
import { anyPort, readDocument, runBody, runSample, sample } from '../support/documents.js'
import { until } from '../support/until.js'

const readme = readDocument('README.md')

/** Starts the service of the README; resolves with it, its store and the address of its WebSocket. */
async function startService (t: Test): Promise<{ app: FastifyInstance, store: Store, url: string }> {
  const { app, store } = await runSample(t, 'README.md', 'usage', ['app', 'store'], anyPort) as {
    app: FastifyInstance, store: Store
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await app.close() })
  return { app, store, url: `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/live` }
}

t.test('the service serves, and the session of docs/live-queries.md is the one shown', async t => {
  const { app, url } = await startService(t)
  const client = TestClient.raw(t, url)
  const lines = sample('docs/live-queries.md', 'session').trim().split('\n')
  t.ok(lines.length > 6, 'it has a session')
  for (const line of lines) {
    const message = JSON.parse(line.slice(2)) as Frame
    if (line.startsWith('>')) client.send(message)
    else t.same(stable(await client.next()), stable(message))
  }
  const health = await app.inject('/healthz')
  t.equal(health.json<{ status: string }>().status, 'ok')
})

t.test('the page shows the orders of the service and places one', async t => {
  const { app, store, url } = await startService(t)
  const page = sample('README.md', 'page')
  t.match(page, '\'ws://localhost:3000/live\'')
  t.match(sample('README.md', 'usage'), /path: '\/live'[^]*port: 3000/)
  // Without a browser; test/browser/two-windows.browser.ts opens the page in one.
  const [, path, script] = /import \{ createClient \} from 'http:\/\/localhost:3000(.*)'\n([^]*)<\/script>/
    .exec(page) ?? []
  t.equal((await app.inject(path as string)).statusCode, 200)
  const shown: string[][] = []
  const list = {
    replaceChildren (...elements: Array<{ textContent: string }>) {
      shown.push(elements.map(({ textContent }) => textContent))
    }
  }
  const form: { onsubmit?: (event: object) => Promise<void> } = {}
  const elements: Record<string, object> = { ul: list, form, input: { value: 'lamp' } }
  const document = {
    querySelector: (name: string) => elements[name],
    createElement: () => ({})
  }
  const connect = (): Client => {
    const client = createClient(url, { WebSocket: WebSocket as unknown as WebSocketClass })
    t.teardown(() => { client.close() })
    return client
  }
  await runBody(script as string, { createClient: connect, document })
  await until(() => shown.length > 0)
  t.same(shown.at(-1), [])
  let resets = 0
  await form.onsubmit?.({ preventDefault () {}, target: { reset () { resets++ } } })
  await until(() => shown.at(-1)?.length === 1)
  t.same(shown.at(-1), ['lamp'])
  t.equal(resets, 1)
  t.match(await store.bucket('orders').all(), [{ item: 'lamp' }])
})

t.test('it has at most 10 KiB', async t => {
  t.ok(Buffer.byteLength(readme) <= 10_240, `${Buffer.byteLength(readme)} bytes`)
})

t.test('docs/README.md links every page of docs/, and the index of the decisions', async t => {
  const index = readDocument('docs/README.md')
  const pages = readdirSync(projectFile('docs'), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.md') && path !== 'README.md')
    .filter(path => !path.startsWith('decisions/') || path === 'decisions/README.md')
  t.ok(pages.length > 15, 'there are pages')
  for (const path of pages) t.ok(index.includes(`](${path})`), path)
})

/** Returns a frame without the values that differ from run to run. */
function stable (frame: Frame): unknown {
  const differs = ['serverTime', '_createdAt', '_updatedAt', 'subscriptionId']
  return JSON.parse(JSON.stringify(frame, (key, value: unknown) => {
    return differs.includes(key) || (key === 'id' && typeof value === 'string') ? typeof value : value
  }))
}
