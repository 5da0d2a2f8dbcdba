import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import type { Store } from '@hamicek/noex-store'
import { noexPlugin, type NoexServer } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { startStore } from '../support/service.js'
import { anyPort, runBody, runSample, sample } from '../support/documents.js'

const document = 'docs/application.md'

t.test('its standalone sample serves and stops at SIGTERM', async t => {
  const before = process.listeners('SIGTERM')
  const { server, store } = await runSample(t, document, 'standalone', ['server', 'store'], anyPort) as {
    server: NoexServer, store: Store
  }
  const stop = process.listeners('SIGTERM').find(listener => !before.includes(listener))
  const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await server.stop() })
  client.ws.close()
  await client.closed
  process.removeListener('SIGTERM', stop as () => void)
  await (stop as unknown as () => Promise<void>)()
  t.equal(server.isRunning, false)
})

t.test('its sample of two scopes serves two stores', async t => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  const [shop, desk] = [await startStore(t), await startStore(t)]
  await runBody(sample(document, 'scopes'), { app, noexPlugin, shop, desk })
  await app.ready()
  t.equal((await app.inject('/shop/healthz')).statusCode, 200)
  t.equal((await app.inject('/desk/healthz')).statusCode, 200)
})

t.test('its sample of OpenAPI has the routes of the plugin in the document', async t => {
  const { app, store } = await runSample(t, document, 'openapi', ['app', 'store']) as {
    app: FastifyInstance, store: Store
  }
  t.teardown(async () => { await store.stop() })
  t.teardown(async () => { await app.close() })
  const { paths } = (await app.inject('/openapi.json')).json<{ paths: object }>()
  t.same(Object.keys(paths).sort(), ['/healthz', '/live', '/livez', '/readyz', '/rpc', '/stats'])
})
