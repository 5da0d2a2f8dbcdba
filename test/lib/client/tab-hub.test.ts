import t from 'tap'
import { openHub, type Hub } from '../../../lib/client/tab-hub.js'
import type { Transport, TransportListener } from '../../../lib/client/transport.js'

interface User extends Transport {
  readonly received: any[]
  readonly ended: unknown[]
  readonly request: (id: number, type: string, members?: object) => void
}

/** A hub over a server whose messages the test sends, at a time that the test sets. */
function scripted (): {
  hub: Hub,
  clock: { now: number },
  sent: any[],
  say: (message: object | string) => void,
  lose: TransportListener['onClose'],
  join: () => User,
  ends: unknown[]
} {
  const sent: any[] = []
  const ends: unknown[] = []
  const clock = { now: 0 }
  let listener!: TransportListener
  const hub = openHub(own => {
    listener = own
    return {
      kind: 'websocket', send: text => { sent.push(JSON.parse(text)) }, close: () => { ends.push('closed') }
    }
  }, { now: () => clock.now }, () => { ends.push('over') })
  const join = (): User => {
    const received: any[] = []
    const ended: unknown[] = []
    const transport = hub.join({
      onMessage: text => {
        try {
          received.push(JSON.parse(text))
        } catch {
          received.push(text)
        }
      },
      onClose: (...ending) => { ended.push(...ending) }
    })
    const request = (id: number, type: string, members = {}): void => {
      transport.send(`{"id":${id},${JSON.stringify({ ...members, type }).slice(1)}`)
    }
    return Object.assign(transport, { received, ended, request })
  }
  const say = (message: object | string): void => {
    listener.onMessage(typeof message === 'string' ? message : JSON.stringify(message))
  }
  return { hub, clock, sent, say, lose: (...ending) => { listener.onClose(...ending) }, join, ends }
}

const welcome = { type: 'welcome', version: '1.0.0', serverTime: 1_000, requiresAuth: true }

const push = (subscriptionId: string, more?: true): object =>
  ({ type: 'push', channel: 'subscription', subscriptionId, revision: 1, data: 1, ...more && { more } })

t.test('one that comes later is welcomed at once, with the time of the server', async t => {
  const { join, say, clock } = scripted()
  const first = join()
  say(welcome)
  clock.now = 500
  t.same(first.received, [welcome])
  t.same(join().received, [{ ...welcome, serverTime: 1_500 }])
})

t.test('requests have ids of the hub, and replies those of their users, in either form', async t => {
  const { join, say, sent } = scripted()
  const [a, b] = [join(), join()]
  say(welcome)
  a.request(1, 'store.get', { key: 1 })
  b.request(1, 'store.get', { key: 2 })
  t.same(sent, [{ id: 1, type: 'store.get', key: 1 }, { id: 2, type: 'store.get', key: 2 }])
  say({ id: 2, type: 'result', data: 'b' })
  say({ type: 'error', code: 'NOT_FOUND', id: 1 })
  say({ id: 2, type: 'result', data: 'twice' })
  say({ id: 7, type: 'result', data: 'unknown' })
  t.same(a.received.slice(1), [{ type: 'error', code: 'NOT_FOUND', id: 1 }])
  t.same(b.received.slice(1), [{ id: 1, type: 'result', data: 'b' }])
})

t.test('a group of pushes is one for each user, with an end of its own', async t => {
  const { join, say } = scripted()
  const [a, b] = [join(), join()]
  say(welcome)
  a.request(1, 'store.subscribe')
  b.request(1, 'store.subscribe')
  b.request(2, 'store.subscribe')
  say({ id: 1, type: 'result', data: { subscriptionId: 'a1' } })
  say({ id: 2, type: 'result', data: { subscriptionId: 'b1' } })
  say({ id: 3, type: 'result', data: { subscriptionId: 'b2' } })
  for (const { received } of [a, b]) received.length = 0
  say(push('b1', true))
  say(push('a1', true))
  say(push('b2', true))
  t.same([a.received, b.received], [[], []])
  say(push('gone'))
  t.same(a.received, [push('a1')])
  t.same(b.received, [push('b1', true), push('b2')])
})

t.test('news go to those that they concern', async t => {
  const { join, say, sent } = scripted()
  const [a, b] = [join(), join()]
  say(welcome)
  a.request(1, 'rules.subscribe')
  say({ id: 1, type: 'result', data: { subscriptionId: 'a1' } })
  for (const { received } of [a, b]) received.length = 0
  const gap = { type: 'system', event: 'gap', subscriptionId: 'a1', count: 1 }
  const event = { type: 'push', channel: 'event', subscriptionId: 'a1', data: 1 }
  const closed = { type: 'system', event: 'subscription_closed', subscriptionId: 'a1', reason: 'failed' }
  const revision = { type: 'system', event: 'revision', revision: 3 }
  for (const message of [gap, event, revision, closed, closed, 'no JSON', 'null']) say(message)
  t.same(a.received, [gap, event, revision, closed, 'no JSON', null])
  t.same(b.received, [revision, 'no JSON', null])
  a.close()
  t.same(sent.length, 1, 'one that has ended is not ended again')
})

t.test('the subscriptions of a user that leaves are ended, those too that are answered later', async t => {
  const { join, say, sent, ends } = scripted()
  const [a, b] = [join(), join()]
  say(welcome)
  a.request(1, 'store.subscribe')
  a.request(2, 'rules.subscribe')
  a.request(3, 'store.subscribe')
  say({ id: 1, type: 'result', data: { subscriptionId: 'a1' } })
  say({ id: 3, type: 'result', data: { subscriptionId: 'a3' } })
  a.request(4, 'store.unsubscribe', { subscriptionId: 'a3' })
  sent.length = 0
  a.close()
  say({ id: 2, type: 'result', data: { subscriptionId: 'a2' } })
  t.match(sent, [
    { type: 'store.unsubscribe', subscriptionId: 'a1' }, { type: 'rules.unsubscribe', subscriptionId: 'a2' }
  ])
  t.equal(sent.length, 2)
  a.request(5, 'store.get')
  t.equal(sent.length, 2, 'one that has left cannot send')
  t.same(ends, [])
  b.close()
  t.same(ends, ['closed', 'over'])
})

t.test('one that answers no ping is gone', async t => {
  const { join, say, sent } = scripted()
  const [a, b] = [join(), join()]
  say(welcome)
  for (let timestamp = 0; timestamp < 5; timestamp++) {
    say({ type: 'ping', timestamp })
    a.send(JSON.stringify({ type: 'pong', timestamp }))
  }
  t.same(sent, [0, 1, 2, 3, 4].map(timestamp => ({ type: 'pong', timestamp })), 'the server is answered once')
  t.same([a.ended, b.ended], [[], [1006, '']])
})

t.test('an equal login is sent once while the session lasts, and again to renew it', async t => {
  const { join, say, sent, clock } = scripted()
  const [a, b, c, d] = [join(), join(), join(), join()]
  say(welcome)
  const session = { userId: 'alice', roles: [], expiresAt: 5_000 }
  a.request(1, 'auth.login', { token: 'x' })
  b.request(9, 'auth.login', { token: 'x' })
  say({ id: 1, type: 'result', data: session })
  c.request(1, 'auth.login', { token: 'x' })
  for (const [user, id] of [[a, 1], [b, 9], [c, 1]] as const) {
    t.same(user.received[1], { id, type: 'result', data: session })
  }
  t.equal(sent.length, 1)
  a.request(2, 'auth.login', { token: 'x' })
  t.equal(sent.length, 2, 'a renewal')
  say({ id: 2, type: 'result', data: { ...session, expiresAt: 9_000 } })
  b.request(10, 'auth.login', { token: 'x' })
  t.equal(sent.length, 2)
  t.match(b.received[2], { id: 10, data: { expiresAt: 9_000 } }, 'has been done by another')
  clock.now = 8_000
  d.request(1, 'auth.login', { token: 'x' })
  t.equal(sent.length, 3, 'the session has ended')
  say({ id: 3, type: 'error', code: 'UNAUTHORIZED' })
  t.match(d.received[1], { id: 1, code: 'UNAUTHORIZED' })
})

t.test('a logout is one for all, and a login as another user is refused for all', async t => {
  const { join, say, sent, ends } = scripted()
  const [a, b] = [join(), join()]
  say(welcome)
  a.request(1, 'identity.login', { username: 'alice', password: 'p' })
  say({ id: 1, type: 'result', data: { user: { id: 'u1' }, expiresAt: null } })
  b.request(1, 'identity.login', { username: 'alice', password: 'p' })
  t.equal(sent.length, 1)
  b.request(2, 'identity.logout')
  say({ id: 2, type: 'result', data: { loggedOut: true } })
  t.same([a.ended, b.ended], [[4002, 'logged_out'], []])
  t.match(b.received.at(-1), { id: 2 })
  const c = join()
  c.request(1, 'identity.login', { username: 'alice', password: 'p' })
  t.equal(sent.length, 3, 'nothing is remembered')
  say({ id: 3, type: 'result', data: { user: { id: 'u1' }, expiresAt: null } })
  b.request(3, 'identity.login', { username: 'bob', password: 'p' })
  say({ id: 4, type: 'result', data: { user: { id: 'u2' }, expiresAt: null } })
  t.same([b.ended, c.ended], [[4002, 'other_user'], [4002, 'other_user']])
  t.same(ends, ['closed', 'over'])
})

t.test('an operation of the application whose name ends in logout is none', async t => {
  const { join, say } = scripted()
  const [a, b] = [join(), join()]
  say(welcome)
  a.request(1, 'shop.logout')
  say({ id: 1, type: 'result', data: {} })
  t.match(a.received.at(-1), { id: 1 })
  t.same(b.ended, [])
})

t.test('the end of the session is told to all, and to those who come meanwhile', async t => {
  const { hub, join, say } = scripted()
  const a = join()
  say(welcome)
  const ended = { type: 'system', event: 'session_ended', reason: 'expired' }
  say(ended)
  t.same(a.received.slice(1), [ended])
  t.same(join().received.slice(1), [ended])
  t.ok(hub.isLeaving(), 'each leaves in its time')
})

t.test('a server that stops is known to later users, and its end to all', async t => {
  const { hub, join, say, lose, ends } = scripted()
  const a = join()
  say(welcome)
  t.notOk(hub.isLeaving())
  const shutdown = { type: 'system', event: 'shutdown', gracePeriodMs: 1, reconnectAfterMs: 2 }
  say(shutdown)
  const b = join()
  t.same(b.received.slice(1), [shutdown])
  t.ok(hub.isLeaving())
  lose(1001, 'server_shutdown')
  lose(1006, '')
  t.same([a.ended, b.ended], [[1001, 'server_shutdown'], [1001, 'server_shutdown']])
  t.same(ends, ['closed', 'over'])
})
