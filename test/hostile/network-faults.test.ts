import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { TestClient } from '../support/client.js'
import { Barrier } from '../support/barrier.js'
import { serveAttacked, type Attacked } from './attacked-service.js'
import { FaultProxy } from './fault-proxy.js'
import { HostileClient } from './hostile-client.js'
import { fragments, opcodes, textFrame } from '../support/web-socket-frame.js'

const MIB = 2 ** 20

/** A legal request as long as the server's limit, with a name to write. */
function longest (length = MIB): string {
  const bare = JSON.stringify({ id: 1, type: 'store.insert', bucket: 'items', data: { n: 1 }, filler: '' })
  return bare.replace('""', `"${'x'.repeat(length - bare.length)}"`)
}

async function behindProxy (
  t: Test,
  options: Parameters<typeof serveAttacked>[1] = {}
): Promise<Attacked & { readonly proxy: FaultProxy }> {
  const served = await serveAttacked(t, options)
  return { ...served, proxy: await FaultProxy.start(t, served.port) }
}

t.test('a slow way delays requests and pushes, and loses none', async t => {
  const { proxy, store, unharmed } = await behindProxy(t)
  store.defineQuery('count', async ctx => await ctx.bucket('items').count())
  proxy.add('upstream', { type: 'latency', delayMs: 40 })
  proxy.add('downstream', { type: 'latency', delayMs: 40 })
  proxy.add('downstream', { type: 'bandwidth', bytesPerSecond: 100_000 })
  const client = await TestClient.open(t, proxy.url)
  const { subscriptionId } = await client.ask('store.subscribe', { query: 'count' })
  const replies = await Promise.all(
    Array.from(
      { length: 20 },
      async (_, n) => await client.ask('store.insert', { bucket: 'items', data: { n } })
    )
  )
  t.same(replies.map(({ n }) => n), Array.from({ length: 20 }, (_, n) => n))
  await client.next(frame => frame['subscriptionId'] === subscriptionId && frame['data'] === 20)
  client.ws.terminate()
  await unharmed(t)
})

t.test('the longest message is served, however TCP cuts it', async t => {
  const { proxy, unharmed } = await behindProxy(t)
  const ways: Record<string, Buffer> = {
    whole: textFrame(longest()),
    'in fragments of 4 KiB': fragments(opcodes.text, longest(), 4_096),
    'in fragments of 64 KiB': fragments(opcodes.text, longest(), 65_536)
  }
  for (const bytes of [500, 1_460, 65_536]) {
    for (const [way, frames] of Object.entries(ways)) {
      await t.test(`${way}, in pieces of ${bytes} bytes`, async t => {
        const heal = proxy.add('upstream', { type: 'slicer', bytes, delayMs: 0 })
        const client = await HostileClient.open(t, proxy.port)
        client.send(frames)
        t.match(await client.message(({ id }) => id === 1), { type: 'result', data: { n: 1 } })
        client.raw.socket.destroy()
        heal()
        await unharmed(t)
      })
    }
  }

  await t.test('but not in more pieces than a network makes', async t => {
    const heal = proxy.add('upstream', { type: 'slicer', bytes: 64, delayMs: 0 })
    const client = await HostileClient.open(t, proxy.port)
    client.send(textFrame(longest()))
    t.equal(await client.closed(), 1008)
    client.raw.socket.destroy()
    heal()
    await unharmed(t)
  })
})

t.test('what the connection ends within is not executed', async t => {
  const { proxy, store, unharmed } = await behindProxy(t)
  const frame = textFrame({ id: 1, type: 'store.insert', bucket: 'items', data: {} })
  const client = await HostileClient.open(t, proxy.port)
  proxy.add('upstream', { type: 'limit-data', bytes: frame.length - 1 })
  client.send(frame)
  await client.closed()
  await unharmed(t)
  t.equal(await store.bucket('items').count(), 0)
})

t.test('a reset during a login that takes its time leaves nothing', async t => {
  const { proxy, app, unharmed, asked } = await serveLogins(t)
  for (let delay = 0; delay < 20; delay++) {
    const client = await TestClient.open(t, proxy.url)
    const before = asked.passed
    client.send({ id: 1, type: 'auth.login', token: 'ann' })
    const heal = proxy.add('upstream', { type: 'reset', afterMs: delay })
    t.equal((await client.closed).code, 1006)
    heal()
    t.ok(asked.passed <= before + 1)
  }
  t.ok(asked.passed > 5, `${asked.passed} of 20 logins had begun`)
  await unharmed(t)
  t.equal((await app.noex.getStats()).connections.authenticated, 0, 'no client is logged in')
  t.match(app.noex.getConnections(), [{ authenticated: false }])
})

t.test('a login that succeeds when its client has gone has no effect', async t => {
  const barrier = new Barrier()
  const served = await serveAttacked(t, {
    auth: {
      required: false,
      validate: async () => { await barrier.pass(); return { userId: 'ann', roles: [] } }
    }
  })
  t.teardown(() => { barrier.open() })
  const client = await HostileClient.open(t, served.port)
  client.send(textFrame({ id: 1, type: 'auth.login', token: 'x' }))
  await barrier.held()
  client.raw.socket.resetAndDestroy()
  await served.unharmed(t)
  barrier.open()
  await served.unharmed(t)
  t.equal((await served.app.noex.getStats()).connections.authenticated, 0)
})

/** A login takes ten milliseconds; `asked` counts them. */
async function serveLogins (t: Test) {
  const asked = { passed: 0 }
  const served = await behindProxy(t, {
    auth: {
      required: false,
      validate: async token => {
        asked.passed++
        await setTimeout(10)
        return { userId: token, roles: ['writer'] }
      }
    }
  })
  return { ...served, asked }
}

t.test('a connection that is dead on the way is ended by the heartbeat, and the others are not', async t => {
  const { proxy, app, otherClient, unharmed } = await behindProxy(t, {
    heartbeat: { intervalMs: 250, timeoutMs: 250 }
  })
  const clients = await Promise.all(
    Array.from({ length: 10 }, async () => await TestClient.open(t, proxy.url))
  )
  const heal = [proxy.add('upstream', { type: 'half-open' }), proxy.add('downstream', { type: 'half-open' })]
  while (app.noex.connectionCount > 1) await otherClient.settled()
  for (const { ws } of clients) t.equal(ws.readyState, ws.OPEN, 'the client does not know')
  for (const end of heal) end()
  await Promise.all(clients.map(async client => await client.closed))
  await unharmed(t)
})

t.test('a client that stops reading is closed with 1013 in time, and holds up no other client', async t => {
  const drainTimeoutMs = 400
  const { proxy, app, store, otherClient, unharmed } = await behindProxy(t, {
    backpressure: { maxBufferedBytes: MIB, drainTimeoutMs }
  })
  let version = 0
  store.defineQuery('text', async ctx => {
    await ctx.bucket('items').count()
    return { version, filler: 'x'.repeat(100_000) }
  })
  const sockets: Socket[] = []
  app.server.on('connection', socket => { sockets.push(socket) })
  const client = await TestClient.open(t, proxy.url)
  await client.ask('store.subscribe', { query: 'text' })
  await otherClient.ask('store.subscribe', { query: 'text' })
  const heal = proxy.add('downstream', { type: 'half-open' })
  const isWatched = (): boolean =>
    app.noex.getConnections().length === 2 &&
    app.noex.getConnections().every(({ storeSubscriptionCount }) => storeSubscriptionCount === 1)
  let mostQueued = 0
  let stalledAt: number | undefined
  while (isWatched()) {
    version++
    await otherClient.ask('store.insert', { bucket: 'items', data: { n: version } })
    await otherClient.next(frame => frame['data']?.version === version)
    mostQueued = Math.max(mostQueued, ...sockets.map(({ writableLength }) => writableLength))
    if (mostQueued > 0.8 * MIB) stalledAt ??= performance.now()
  }
  const waited = performance.now() - (stalledAt ?? 0)
  t.ok(waited < drainTimeoutMs + 300, `closed ${Math.round(waited)} ms after it was full`)
  t.ok(mostQueued > 0.8 * MIB && mostQueued <= MIB, `${mostQueued} bytes were queued at most`)
  heal()
  t.same(await client.closed, { code: 1013, reason: 'slow_consumer' })
  await unharmed(t)
})
