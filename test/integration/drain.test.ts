import t from 'tap'
import { TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'
import { RawSocket } from '../support/raw-socket.js'

const shutDown = { code: 1000, reason: 'server_shutdown' }

async function statusOf ({ port }: Served, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  await response.text()
  return response.status
}

t.test('the delay of a drain', t => {
  t.test(
    'is announced at once, and every client is still served, also one that connects only now',
    async t => {
      const served = await serve(t, { shutdown: { drainDelayMs: 60_000 } })
      const { app, connect } = served
      const client = await connect()
      const drained = app.noex.drain()
      t.equal(app.noex.state, 'draining')
      t.same(
        await Promise.all(['/healthz', '/readyz', '/livez'].map(async path => await statusOf(served, path))),
        [503, 503, 200]
      )
      t.ok(await client.ask('store.insert', { bucket: 'items', data: {} }))
      const late = await connect()
      t.equal(await late.ask('store.count', { bucket: 'items' }), 1)
      t.same([...client.waiting, ...late.waiting], [], 'no client is told yet')
      await app.close()
      await drained
      t.same(await client.closed, shutDown)
      t.same(await late.closed, shutDown)
    }
  )

  t.test('ends: then no connection is accepted any more, and the process still lives', async t => {
    const served = await serve(t, { shutdown: { drainDelayMs: 100 } })
    const client = await served.connect()
    await served.app.noex.drain()
    t.same(await client.closed, shutDown)
    t.equal(await (await RawSocket.upgrade(t, served.port)).status(), 503)
    t.equal(await statusOf(served, '/livez'), 200, 'killing it would be of no use')
  })

  t.test('can be given to the call', async t => {
    const { app, connect } = await serve(t, { shutdown: { drainDelayMs: 60_000 } })
    const client = await connect()
    for (const drainDelayMs of [-1, 0.5, NaN, Infinity, '1' as unknown as number]) {
      await t.rejects(app.noex.drain({ drainDelayMs }), { code: 'NOEX_ERR_INVALID_OPTION' })
    }
    for (const options of [null, 5, { graceMs: 5 }]) {
      await t.rejects(app.noex.drain(options as object), { code: 'NOEX_ERR_INVALID_OPTION' })
    }
    t.equal(app.noex.state, 'serving')
    await app.noex.drain({ drainDelayMs: 0 })
    t.same(await client.closed, shutDown)
  })

  t.test('is not waited for by an app that closes: no client is served then', async t => {
    const { app, connect } = await serve(t, { shutdown: { drainDelayMs: 60_000 } })
    const client = await connect()
    await app.close()
    t.same(await client.closed, shutDown)
  })

  t.test('ends when the app is closed meanwhile', async t => {
    const { app, connect } = await serve(t, { shutdown: { drainDelayMs: 60_000, gracePeriodMs: 50 } })
    const client = await connect()
    const drained = app.noex.drain()
    t.ok(await client.ask('store.buckets'))
    await app.close()
    await drained
    t.match(await client.next(), { event: 'shutdown', gracePeriodMs: 50 })
    t.same(await client.closed, shutDown)
  })
  t.end()
})

t.test('many clients are told to come back at different times, and closed in any order', async t => {
  const { app, url } = await serve(t, { shutdown: { gracePeriodMs: 1_000, reconnectWindowMs: 1_000 } })
  const clients = await Promise.all(Array.from({ length: 100 }, async () => await TestClient.open(t, url)))
  const order: number[] = []
  for (const [i, client] of clients.entries()) client.closed.then(() => { order.push(i) }, () => {})
  const drained = app.noex.drain()
  const notices = await Promise.all(
    clients.map(async client => await client.next(frame => frame['event'] === 'shutdown'))
  )
  const times = notices.map(notice => notice['reconnectAfterMs'] as number)
  t.ok(times.every(time => Number.isInteger(time) && time >= 0 && time <= 1_000))
  t.ok(new Set(times.map(time => Math.floor(time / 100))).size >= 9, 'some in each tenth of the window')
  await drained
  for (const client of clients) t.same(await client.closed, shutDown)
  t.notSame(order, order.slice().sort((a, b) => a - b), 'who came first is not who has to leave first')
})
