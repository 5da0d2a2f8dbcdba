import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { environment } from '../../../lib/client/environment.js'
import { httpTransport, type Fetch } from '../../../lib/client/http-transport.js'
import type { NoexOptions } from '../../../lib/index.js'
import { streamRoutes } from '../../support/events.js'
import { hasProgram } from '../../support/program.js'
import {
  certificate, hasProxies, proxyKinds, startProxy, type Proxy, type ProxySettings
} from '../../support/proxy.js'
import { serve, type Served } from '../../support/service.js'
import { TransportClient } from '../../support/transport-client.js'
import { until } from '../../support/until.js'

const ca = readFileSync(certificate)

/** A fetch that trusts the certificate of the test. */
const fetch: Fetch = async (url, options) => {
  const { method, headers, body, signal } = options as {
    method?: string, headers: Record<string, string>, body?: string, signal: AbortSignal
  }
  const sent = request(url, { method, headers, signal, ca, family: 4 })
  sent.end(body)
  const [response] = await once(sent, 'response') as [IncomingMessage]
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(response.headers as Record<string, string>),
    body: Readable.toWeb(response) as unknown as ReadableStream,
    json: async () => JSON.parse((await response.toArray()).join(''))
  }
}

function clientBehind (t: Test, { port }: Proxy, connectTimeoutMs = 5_000): TransportClient {
  const url = `https://localhost:${port}`
  const urls = { rpc: `${url}/rpc`, events: `${url}/events` }
  return new TransportClient(t, httpTransport(urls, connectTimeoutMs, { ...environment, fetch }))
}

/** Serves a service behind a proxy with its file of deploy/. */
async function serveBehind (
  t: Test, kind: Proxy['kind'], options: Omit<NoexOptions, 'store'> = {},
  changes: NonNullable<ProxySettings['changes']> = []
): Promise<{ served: Served, proxy: Proxy }> {
  const served = await serve(t, {
    routes: streamRoutes, realIpHeader: 'X-Real-IP', trustedProxies: ['127.0.0.1'], ...options
  })
  return { served, proxy: await startProxy(t, kind, { upstreams: [served.port], changes }) }
}

for (const kind of proxyKinds) {
  t.test(`a stream through ${kind} with the file of deploy/`, async t => {
    if (!hasProxies(t)) return
    const { served, proxy } = await serveBehind(t, kind, { heartbeat: { intervalMs: 200, timeoutMs: 150 } })
    const client = clientBehind(t, proxy)
    t.match(await client.next(), { type: 'welcome' }, 'at once')
    t.match(await client.ask('server.connections'), [{ remoteAddress: '127.0.0.1' }])
    await client.ask('store.subscribe', { find: { bucket: 'items' }, delta: true })
    await served.store.bucket('items').insert({ n: 1, name: 'x'.repeat(500_000) })
    t.match(await client.push(), { delta: { upsert: [{ n: 1 }] } })
    for (let i = 0; i < 3; i++) await client.next(({ type }) => type === 'ping')
    t.equal(served.app.noex.connectionCount, 1)
    const second = clientBehind(t, proxy)
    await second.next()
    second.transport.close()
    await until(() => served.app.noex.connectionCount === 1)
    const drained = served.app.noex.drain({ gracePeriodMs: 100 })
    t.match(await client.next(({ type }) => type === 'system'), { event: 'shutdown' })
    t.match(await client.closed, { code: 1000, reason: 'server_shutdown' })
    await drained
    t.match(await clientBehind(t, proxy).closed, { code: 1006, problem: /answers 503/ })
  })
}

const buffering = [[
  'proxy_connect_timeout 5s;',
  'proxy_connect_timeout 5s; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;'
]] as const

t.test('a proxy that buffers is noticed, and named', async t => {
  if (!hasProgram(t, 'nginx', '-v')) return
  const { proxy, served } = await serveBehind(t, 'nginx', {}, buffering)
  const client = clientBehind(t, proxy, 500)
  t.match((await client.closed).problem, /a proxy that buffers holds it back/)
  await until(() => served.app.noex.connectionCount === 0)
})

t.test('a proxy that cuts a silent response off loses the transport, as any network does', async t => {
  if (!hasProgram(t, 'nginx', '-v')) return
  const impatient = [['proxy_read_timeout 75s;', 'proxy_read_timeout 1s;']] as const
  const { proxy, served } = await serveBehind(t, 'nginx', {}, impatient)
  const client = clientBehind(t, proxy)
  await client.next()
  t.match(await client.closed, { code: 1006 })
  await until(() => served.app.noex.connectionCount === 0)
})
