import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import t, { type Test } from 'tap'
import type { AuditEntry, NoexOptions } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, type Served, type ServeSettings } from '../support/service.js'
import { certificate, hasProxies, proxyKinds, startProxy, type Proxy } from '../support/proxy.js'

/** Where the client is: not where the proxy is, so that the one cannot be taken for the other. */
const CLIENT = '127.0.0.7'

async function connect (t: Test, { port }: Proxy): Promise<TestClient> {
  return await TestClient.open(t, `wss://localhost:${port}`, {
    localAddress: CLIENT,
    family: 4,
    ca: readFileSync(certificate)
  })
}

for (const kind of proxyKinds) {
  t.test(`through ${kind} with the file of deploy/`, async t => {
    if (!hasProxies(t)) return

    async function serveBehind (
      t: Test,
      options: Omit<NoexOptions, 'store'>,
      settings?: ServeSettings
    ): Promise<{ served: Served, proxy: Proxy, entries: readonly AuditEntry[] }> {
      const entries: AuditEntry[] = []
      const served = await serve(
        t,
        {
          ...options,
          audit: { tiers: ['admin', 'write'], logLevel: 'silent', onEntry: entry => { entries.push(entry) } }
        },
        settings
      )
      served.store.defineQuery('all-items', async ctx => await ctx.bucket('items').all())
      return { served, proxy: await startProxy(t, kind, { upstreams: [served.port] }), entries }
    }

    for (const [title, options, settings] of [
      ['realIpHeader', { realIpHeader: 'X-Real-IP', trustedProxies: ['127.0.0.1'] }, undefined],
      ['Fastify\'s trustProxy', {}, { fastify: { trustProxy: '127.0.0.1' } }]
    ] as const) {
      t.test(`a client is welcomed, writes and watches, under its own address: ${title}`, async t => {
        const { proxy, entries } = await serveBehind(t, options, settings)
        const client = await connect(t, proxy)
        const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
        await client.ask('store.insert', { bucket: 'items', data: { name: 'lamp' } })
        t.match(await client.push(subscriptionId), { data: [{ name: 'lamp' }] })
        t.match(await client.ask('server.connections'), [{ remoteAddress: CLIENT }])
        t.match(
          entries.find(({ operation }) => operation === 'store.insert'),
          { remoteAddress: CLIENT, result: 'success' }
        )
      })
    }

    t.test('the server\'s close reaches the client as it is', async t => {
      const { served, proxy } = await serveBehind(t, {})
      const client = await connect(t, proxy)
      const closing = served.app.close()
      t.same(await client.closed, { code: 1000, reason: 'server_shutdown' })
      await closing
    })

    t.test('statistics are not public, and pages come through', async t => {
      const { proxy } = await serveBehind(
        t,
        {},
        { before: app => { app.get('/page', async () => 'a page') } }
      )
      // fetch has no way to trust one certificate.
      const get = async (path: string): Promise<number | undefined> =>
        await new Promise((resolve, reject) => {
          request(
            {
              host: '127.0.0.1',
              port: proxy.port,
              path,
              servername: 'localhost',
              headers: { host: 'localhost' },
              ca: readFileSync(certificate)
            },
            answer => {
              answer.resume()
              resolve(answer.statusCode)
            }
          )
            .on('error', reject)
            .end()
        })
      t.equal(await get('/page'), 200)
      for (const path of ['/stats', '/stats?a', '/%73tats', '/metrics']) t.equal(await get(path), 404, path)
      t.equal(await get('/healthz'), 200)
    })
  })
}
