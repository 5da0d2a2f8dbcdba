import t, { type Test } from 'tap'
import type { ClientOptions } from '../../../lib/client/types.js'
import type { NoexOptions } from '../../../lib/index.js'
import { clientFor, type TestedClient } from '../../support/client-parts.js'
import { freePort } from '../../support/free-port.js'
import { projectFile } from '../../support/project-file.js'
import { startProgram } from '../../support/program.js'
import { Relay } from '../../support/relay.js'
import { serve, type Served } from '../../support/service.js'
import { until } from '../../support/until.js'

interface Relayed extends Served {
  readonly relay: Relay
  readonly client: TestedClient
}

/** Serves, and opens a client behind a network that can fail. */
async function relayed (
  t: Test, options: ClientOptions = {}, serverOptions: Omit<NoexOptions, 'store'> = {}
): Promise<Relayed> {
  const served = await serve(t, serverOptions)
  served.store.defineDeclarativeQuery('all', { bucket: 'items' })
  const relay = await Relay.start(served.port)
  t.teardown(async () => { await relay.stop() })
  const client = clientFor(t, `ws://127.0.0.1:${relay.port}`, options)
  await client.reached('open')
  return { ...served, relay, client }
}

t.test('a connection that is cut is made again, and the live queries are of now', async t => {
  const { relay, client, store } = await relayed(t)
  const all = client.query('all')
  t.teardown(all.subscribe(() => {}))
  await until(() => all.status === 'live')
  relay.isDown = true
  relay.fail('cut')
  await client.reached('waiting')
  t.equal(all.status, 'stale')
  t.ok(client.problems.length > 0)
  await store.bucket('items').insert({ n: 7 })
  relay.isDown = false
  await client.reached('open')
  t.match(all.getSnapshot(), [{ n: 7 }])
  t.equal(all.status, 'live')
})

for (const fault of ['stall', 'half-open'] as const) {
  t.test(`a connection that is dead without an end (${fault}) is noticed, and made again`, async t => {
    const { relay, client } = await relayed(t, { heartbeatMs: 50 })
    relay.fail(fault)
    await until(() => client.states.includes('waiting'))
    await client.reached('open')
    t.ok(relay.accepted > 1)
    t.ok(await client.request('store.buckets'))
  })
}

t.test('a write over a connection that is half open happens, and once, when it is retried', async t => {
  const { relay, client, store } = await relayed(t, { heartbeatMs: 50 })
  relay.fail('half-open')
  const row = await client.request('store.insert', { bucket: 'items', data: { n: 1 } }, { retry: true })
  t.match(row, { n: 1 })
  t.equal(await store.bucket('items').count(), 1)
})

t.test('without retry the client is told that it may have happened', async t => {
  const { relay, client, store } = await relayed(t, { heartbeatMs: 50 })
  relay.fail('half-open')
  await t.rejects(client.request('store.insert', { bucket: 'items', data: { n: 1 } }), {
    code: 'DISCONNECTED', outcome: 'unknown'
  })
  await until(async () => await store.bucket('items').count() === 1)
})

t.test('a connection that a proxy cuts again and again loses nothing', async t => {
  const { relay, client, store } = await relayed(t)
  for (let i = 0; i < 20; i++) {
    const written = client.request(
      'store.upsert', { bucket: 'items', data: { id: `${i}`, n: i } }, { retry: true }
    )
    relay.fail('cut')
    t.match(await written, { n: i })
  }
  t.equal(await store.bucket('items').count(), 20)
})

t.test('reconnect makes a new connection, and requests that are retried go on over it', async t => {
  const { relay, client } = await relayed(t)
  relay.fail('stall')
  const written = client.request('store.insert', { bucket: 'items', data: { n: 1 } }, { retry: true })
  client.reconnect()
  t.match(await written, { n: 1 })
  t.notOk(client.states.includes('waiting'))
})

t.test('goes when its server stops, with all replies, and comes back to the next', async t => {
  const { app, relay, client } = await relayed(t, {}, {
    shutdown: { gracePeriodMs: 5_000, reconnectWindowMs: 20 }
  })
  const written = client.request('store.insert', { bucket: 'items', data: { n: 1 } })
  const closed = app.close()
  t.match(await written, { n: 1 })
  await closed
  await client.reached('waiting')
  t.same(client.states.slice(0, 4), ['connecting', 'open', 'leaving', 'waiting'])
  t.equal(relay.open, 0)
})

t.test('a frozen server is noticed by its silence, and its thaw ends the waiting', async t => {
  const port = await freePort()
  const { child } = await startProgram(
    t, [process.execPath, projectFile('dist/test/support/child-server.js'), String(port)], port
  )
  t.teardown(() => { child.kill('SIGCONT') })
  const client = clientFor(t, `ws://127.0.0.1:${port}`, { heartbeatMs: 200, connectTimeoutMs: 500 })
  const all = client.query('all')
  t.teardown(all.subscribe(() => {}))
  await client.reached('open')
  child.kill('SIGSTOP')
  await client.reached('waiting')
  t.match(client.problems[0], /the server does not answer/)
  t.not(all.status, 'live')
  const data = { id: 'a', n: 1 }
  const written = client.request('store.insert', { bucket: 'items', data }, { retry: true })
  child.kill('SIGCONT')
  t.match(await written, { id: 'a' })
  await client.reached('open')
  await until(() => all.getSnapshot()?.length === 1)
})

t.test('a client that a server sends away for good does not come again', async t => {
  const { url } = await serve(t, { maxConnectionsPerIp: 1 })
  const first = clientFor(t, url)
  await first.reached('open')
  const second = clientFor(t, url)
  await second.reached('refused')
  t.match(second.state.error, { code: 'REFUSED', message: /4003 too_many_connections.*reconnect\(\)/ })
  first.close()
  await until(async () => {
    second.reconnect()
    await until(() => second.state.value !== 'connecting')
    return second.state.value === 'open'
  })
  t.equal(second.state.error, undefined)
})
