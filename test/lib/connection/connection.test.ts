import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { WebSocket } from 'ws'
import { Connection, type ConnectionHost } from '../../../lib/connection/connection.js'
import { Heartbeat } from '../../../lib/connection/heartbeat.js'
import { UnauthenticatedInboxes } from '../../../lib/connection/inbox.js'
import { rejectionReasons } from '../../../lib/limits/rejections.js'
import { Counters } from '../../../lib/util/counters.js'
import { SubscriptionQuota } from '../../../lib/limits/subscription-quota.js'
import type { Authorizer } from '../../../lib/permissions/authorizer.js'
import type { LiveQueries } from '../../../lib/subscriptions/live-queries.js'
import { SharedJson } from '../../../lib/protocol/shared-json.js'
import { unlimitedScope } from '../../../lib/permissions/policy.js'
import { Work } from '../../../lib/store/work.js'
import { Presence } from '../../../lib/store/presence.js'
import { DeadlineQueue } from '../../../lib/util/deadline-queue.js'
import { isPending, turns } from '../../support/event-loop.js'
import { FakeClock } from '../../support/fake-clock.js'
import { FakeWebSocket } from '../../support/fake-socket.js'
import { silentLog } from '../../support/silent-log.js'

/** The bound of lib/connection/inbox.ts. */
const MAX_FRAMES = 256

const fakeLiveQuery = {
  id: 'sub-1',
  epoch: 'epoch',
  source: { keyField: undefined, page: undefined },
  scope: unlimitedScope,
  join: async () => {},
  presentFor: () => fakeLiveQuery,
  encoded: { whole: () => ({ json: new SharedJson('[]'), version: 0, revision: 0 }) },
  leave () {}
}

/** A connection whose requests are answered when the test says so. */
function connectionOver () {
  const clock = new FakeClock()
  const ws = new FakeWebSocket()
  const requests: string[] = []
  const pending: Array<() => void> = []
  const seen = { stopped: 0, closed: [] as number[] }
  const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
  const host: ConnectionHost = {
    clock,
    quota: new SubscriptionQuota(
      { maxSubscriptionsPerConnection: 10, maxTotalSubscriptions: 10 },
      new Counters(rejectionReasons)
    ),
    liveQueries: { find: () => fakeLiveQuery } as unknown as LiveQueries,
    outboxLimits: { maxBufferedBytes: 1_000, markBytes: 800 },
    maxPayloadBytes: 1_000,
    maxUnauthenticatedPayloadBytes: 100,
    unauthenticatedInboxes: new UnauthenticatedInboxes(100),
    requiresAuth: false,
    heartbeatMs: 100,
    idempotencyWindowMs: 600_000,
    authorizer: {
      isVolatile: false, liveQueryScope: () => unlimitedScope, topicScope: () => 'whole'
    } as unknown as Authorizer,
    authenticator: undefined,
    isRevoked: () => false,
    presences: { begin: id => new Presence(id, { isEphemeral: () => false }, 0), leave () {} },
    stalled: new DeadlineQueue<Connection>(
      50,
      clock,
      connection => { connection.close({ code: 1013, reason: 'slow_consumer', comeBack: true }) }
    ),
    closing: new DeadlineQueue<Connection>(80, clock, connection => { connection.terminate() }),
    async dispatch (text) {
      requests.push(text)
      await new Promise<void>(resolve => { pending.push(resolve) })
    },
    beforeSessionChange () {},
    onLoggedOut () {},
    onStopped (connection) {
      seen.stopped++
      heartbeat.delete(connection)
    },
    onClosed (_connection, code) { seen.closed.push(code) },
    trail: undefined,
    logOf: () => silentLog
  }
  const connection = new Connection(
    ws as unknown as WebSocket,
    'conn-1',
    { remoteAddress: '::1', requestId: 'req-1', headers: {}, session: undefined },
    host
  )
  heartbeat.add(connection)
  const answerAll = async (): Promise<void> => {
    while (pending.length > 0) {
      pending.shift()?.()
      await turns()
    }
  }
  return { clock, ws, connection, requests, answerAll, seen, host }
}

t.test('Connection', t => {
  t.test('[G-A5] stops reading when its inbox is full and reads on when there is room', async t => {
    const { ws, requests, answerAll } = connectionOver()
    for (let id = 0; id <= MAX_FRAMES; id++) ws.receive({ id, type: 'store.buckets' })
    t.ok(ws.isPaused)
    t.equal(requests.length, 1)
    await answerAll()
    t.notOk(ws.isPaused)
    t.equal(requests.length, MAX_FRAMES + 1)
  })

  t.test('[G-I6] is listened to after a ping also while nothing is read behind a slow request', async t => {
    const { clock, ws } = connectionOver()
    for (let id = 0; id <= MAX_FRAMES; id++) ws.receive({ id, type: 'store.buckets' })
    t.ok(ws.isPaused)
    clock.turn(100)
    t.notOk(ws.isPaused, 'until something arrives')
    ws.receive({ type: 'pong', timestamp: 0 })
    t.ok(ws.isPaused)
    clock.turn(99)
    t.same(ws.closes, [], 'it has answered')
    clock.turn(1)
    t.notOk(ws.isPaused)
    clock.turn(40)
    t.same(ws.closes, [[4001, 'heartbeat_timeout']], 'and a dead one is noticed')
  })

  t.test('[G-A5] is not listened to when it has sent far too much already', async t => {
    const { clock, ws } = connectionOver()
    for (let id = 0; id <= 16 * MAX_FRAMES; id++) ws.receive({ id, type: 'store.buckets' })
    clock.turn(100)
    t.ok(ws.isPaused)
    clock.turn(40)
    t.same(ws.closes, [[4001, 'heartbeat_timeout']])
  })

  t.test('[G-I6] answers a ping while a request is slow', async t => {
    const { clock, ws, connection, requests } = connectionOver()
    ws.receive({ id: 1, type: 'store.query' })
    for (let i = 0; i < 5; i++) {
      clock.turn(100)
      ws.receive({ type: 'pong', timestamp: 0 })
    }
    t.ok(connection.isOpen)
    t.equal(requests.length, 1, 'the pongs wait behind the request and yet count')
  })

  t.test('stops reading when more waits for the client than may, and closes it when that lasts', async t => {
    const { clock, ws, connection, requests, answerAll, seen } = connectionOver()
    ws._socket.blocked = true
    ws.receive({ id: 1, type: 'store.all' })
    connection.flow.reply({ text: 'x'.repeat(1_100) })
    await setImmediate()
    t.ok(ws.isPaused)
    await answerAll()
    ws.receive({ id: 2, type: 'store.insert' })
    t.equal(requests.length, 1, 'what had been read already waits')
    clock.turn(49)
    t.same(ws.closes, [])
    clock.turn(1)
    t.same(ws.closes, [[1013, 'slow_consumer']])
    t.equal(seen.stopped, 1)
    clock.turn(80)
    t.same(ws.closes.at(-1), [1006, ''], 'and cut off when the close frame goes unanswered')
  })

  t.test('goes on where it stopped when the client has read', async t => {
    const { clock, ws, connection, requests } = connectionOver()
    ws._socket.blocked = true
    connection.flow.reply({ text: 'x'.repeat(1_100) })
    await setImmediate()
    ws.receive({ id: 1, type: 'store.insert' })
    await ws._socket.unblock()
    t.notOk(ws.isPaused)
    t.equal(requests.length, 1)
    clock.turn(50)
    t.same(ws.closes, [])
  })

  t.test('[G-J8] executes nothing that was waiting or arrives when the close has begun', async t => {
    const { ws, requests, answerAll, connection, seen } = connectionOver()
    ws.receive({ id: 1, type: 'store.insert' })
    ws.receive({ id: 2, type: 'store.insert' })
    ws.receive(Buffer.from('binary'))
    ws.receive({ id: 3, type: 'store.insert' })
    await answerAll()
    t.equal(requests.length, 1)
    t.same(ws.closes, [[1003, 'binary_not_supported']])
    connection.flow.reply({ text: 'too late' })
    await setImmediate()
    t.same(ws._socket.writes, [])
    connection.close({ code: 1000, reason: 'server_shutdown', comeBack: true })
    t.equal(ws.closes.length, 1, 'a close is not repeated')
    ws.emit('close', 1003)
    t.same(seen, { stopped: 1, closed: [1003] })
  })

  t.test('writes what was sent before the close frame', async t => {
    const { ws, connection } = connectionOver()
    connection.notify({ type: 'system', event: 'shutdown', gracePeriodMs: 1, reconnectAfterMs: 1 })
    const { close } = ws
    ws.close = function (code, reason) {
      t.equal(ws._socket.texts.length, 1)
      close.call(ws, code, reason)
    }
    connection.close({ code: 1000, reason: 'server_shutdown', comeBack: true })
    t.equal(ws.closes.length, 1)
  })

  t.test('is settled when its requests are answered', async t => {
    const { ws, connection, answerAll } = connectionOver()
    await connection.flow.settled()
    ws.receive({ id: 1, type: 'store.insert' })
    const settled = connection.flow.settled()
    t.ok(await isPending(settled))
    await answerAll()
    t.notOk(await isPending(settled))
  })

  t.test('ends its subscriptions and gives its slots back when the client goes', async t => {
    const { ws, connection, host, seen } = connectionOver()
    const grant = {
      principal: connection.principal,
      rows: () => undefined,
      scope: () => unlimitedScope,
      assertStillAllowed () {},
      work: new Work(Infinity),
      maxChanges: Infinity,
      rights: ''
    }
    const request = {
      query: 'query', params: undefined, page: undefined, since: undefined, isDelta: false, minIntervalMs: 0
    }
    await connection.subscriptions.add(request, unlimitedScope, grant)
    t.equal(connection.info.storeSubscriptionCount, 1)
    t.equal(host.quota.taken.store, 1)
    ws.emit('close', 1001)
    t.equal(host.quota.taken.store, 0)
    t.same(seen, { stopped: 1, closed: [1001] })
    t.notOk(connection.isOpen)
  })
  t.end()
})
