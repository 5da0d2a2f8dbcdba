import t from 'tap'
import { EventClient, Events, streamRoutes } from '../../support/events.js'
import { serve } from '../../support/service.js'

const find = `/events?find=${encodeURIComponent('{"bucket":"items"}')}`

t.test('streams of events are listed, shown and closed like connections', async t => {
  const { port, connect } = await serve(t, { routes: streamRoutes })
  const operator = await connect()
  const client = await EventClient.open(t, port)
  const watcher = await Events.open(t, port, find)
  await watcher.next()
  const all: Array<{ connectionId: string }> = await operator.ask('server.connections')
  const [, stream, query] = all.map(({ connectionId }) => connectionId)
  t.match(await operator.ask('server.connection', { connectionId: query }), {
    storeSubscriptionCount: 1, subscriptions: [{ kind: 'store', bucket: 'items', since: Number }]
  })
  const closing = { connectionId: stream, reason: 'maintenance' }
  t.same(await operator.ask('server.close', closing), { closed: true })
  t.match(await client.next(), { type: 'system', event: 'closed_by_operator', reason: 'maintenance' })
  t.match(await client.closed(), { code: 4004, reason: 'closed_by_operator' })
  t.same(await operator.ask('server.close', { connectionId: query }), { closed: true })
  t.equal(await watcher.ended, true, 'as HTTP says')
  t.notMatch(watcher.text, /event: end/, 'an EventSource comes back')
})

t.test('a stream whose client closes it by a POST of its own is answered first', async t => {
  const { port, connect } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const [{ connectionId }] = await (await connect()).ask('server.connections')
  t.same(await client.ask('server.close', { connectionId }), { closed: true })
  t.match(await client.closed(), { code: 4004 })
})
