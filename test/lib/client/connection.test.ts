import t, { type Test } from 'tap'
import { backoff, type NextDelay } from '../../../lib/client/backoff.js'
import { createConnection, type Connection } from '../../../lib/client/connection.js'
import type { LinkListener } from '../../../lib/client/link.js'
import type { ConnectionSettings } from '../../../lib/client/settings.js'
import { clientCode } from '../../support/client-code.js'
import { withoutChance } from '../../support/chance.js'
import { FakeEnvironment, FakeLines, type LineMessage } from '../../support/fake-line.js'
import { shownErrors } from '../../support/shown-errors.js'

interface Connecting extends FakeLines {
  readonly connection: Connection
  readonly environment: FakeEnvironment
  /** The states, each with the code of its error. */
  readonly states: string[]
  /** The calls of the listener of the link. */
  readonly told: string[]
}

/** Begins a connection whose delays are the whole of their bound. */
function connecting (
  t: Test, settings: Partial<ConnectionSettings> = {}, listener: Partial<LinkListener> = {}
): Connecting {
  withoutChance(t, 1)
  const environment = new FakeEnvironment()
  const lines = new FakeLines()
  const connection = createConnection({
    environment,
    open: lines.open,
    place: 'wss://h/live',
    connectTimeoutMs: 10_000,
    minDelayMs: 500,
    maxDelayMs: 30_000,
    nextDelay: backoff(500, 30_000),
    ...settings
  })
  const states: string[] = []
  const told: string[] = []
  connection.state.subscribe(() => {
    const { value, error } = connection.state
    states.push(error === undefined ? value : `${value} ${error.code}`)
  })
  connection.listeners.push({
    onReady: async () => { told.push('ready') },
    onPush: () => { told.push('push') },
    onSystem: ({ event }) => { told.push(`system ${event}`) },
    onLost: () => { told.push('lost') },
    ...listener
  })
  connection.wake()
  return Object.assign(lines, { connection, environment, states, told })
}

/** Lets the present line answer; resolves when the connection is open. */
async function welcomed (lines: Connecting): Promise<void> {
  lines.last.welcome()
  await clientCode()
}

t.test('connects, is open when its listeners are up to date, and tells of what comes', async t => {
  let finish = (): void => {}
  const onReady = async (): Promise<void> => await new Promise(resolve => { finish = resolve })
  const lines = connecting(t, {}, { onReady })
  t.same(lines.states, ['connecting'])
  await welcomed(lines)
  t.ok(lines.connection.isReady)
  t.same(lines.states, ['connecting'])
  finish()
  await clientCode()
  t.same(lines.states, ['connecting', 'open'])
  lines.last.say({ type: 'push', channel: 'subscription' })
  lines.last.say({ type: 'system', event: 'gap' })
  t.same(lines.told, ['push', 'system gap'])
})

t.test('tells of another user, by the login or the welcome, before it is ready', async t => {
  const users: string[] = []
  const lines = connecting(t, {}, {
    onUser: isOther => { users.push(`${lines.connection.user} ${isOther} ${lines.connection.isReady}`) }
  })
  await welcomed(lines)
  lines.connection.identify({ userId: 'alice' })
  lines.connection.identify({ user: { id: 'alice' } })
  lines.connection.identify({ userId: 'bob' })
  lines.last.drop()
  lines.environment.clock.turn(500)
  lines.last.welcome({ userId: 'bob' })
  lines.last.drop()
  lines.environment.clock.turn(1_000)
  await welcomed(lines)
  t.same(users, [
    'undefined false false', 'alice false true', 'alice false true', 'bob true true',
    'bob false false', 'undefined true false'
  ])
})

t.test('begins once', async t => {
  const lines = connecting(t)
  lines.connection.wake()
  t.equal(lines.all.length, 1)
  t.equal(lines.environment.watchers, 1)
})

t.test('a listener that fails keeps nothing from being open', async t => {
  const shown = shownErrors(t)
  const lines = connecting(t, {}, {
    onReady: async () => { throw new Error('one') },
    onPush: () => { throw new Error('two') },
    onLost: () => { throw new Error('three') }
  })
  await welcomed(lines)
  lines.last.say({ type: 'push' })
  lines.last.drop()
  t.match(shown, [{ message: 'two' }, { message: 'three' }])
  t.same(lines.states, ['connecting', 'open', 'waiting DISCONNECTED'])
})

t.test('comes back after growing delays, and tells when', async t => {
  const lines = connecting(t)
  for (const delayMs of [500, 1_000, 2_000]) {
    const before = Date.now()
    lines.last.drop(1006, '', 'connect ECONNREFUSED')
    const { value, error, retryAt = 0 } = lines.connection.state
    t.equal(value, 'waiting')
    t.match(error?.message, /wss:\/\/h\/live: connect ECONNREFUSED/)
    t.ok(retryAt >= before + delayMs && retryAt <= Date.now() + delayMs)
    const { length } = lines.all
    lines.environment.clock.turn(delayMs - 1)
    t.equal(lines.all.length, length)
    lines.environment.clock.turn(1)
    t.equal(lines.all.length, length + 1)
    t.equal(lines.connection.state.value, 'connecting')
    t.equal(lines.connection.state.retryAt, undefined)
    t.match(lines.connection.state.error?.message, /ECONNREFUSED/, 'the reason stays until it is open')
  }
  await welcomed(lines)
  t.equal(lines.connection.state.error, undefined)
  lines.environment.clock.turn(10_000)
  lines.last.drop()
  lines.environment.clock.turn(500)
  t.equal(lines.all.length, 5, 'the first delay again')
})

t.test('goes when a server stops, and comes back after the time that the server says', async t => {
  const lines = connecting(t)
  await welcomed(lines)
  const replies: unknown[] = []
  lines.connection.ask('store.insert', {}, data => { replies.push(data) }, t.error)
  lines.last.say({ type: 'system', event: 'shutdown', gracePeriodMs: 5_000, reconnectAfterMs: 1_730 })
  t.same(lines.states, ['connecting', 'open', 'leaving'])
  lines.last.answer(lines.last.requests()[0] as LineMessage, 'done')
  t.same(replies, ['done'])
  t.same(lines.states, ['connecting', 'open', 'leaving', 'waiting'])
  lines.environment.clock.turn(1_730 + 499)
  t.equal(lines.all.length, 1)
  lines.environment.clock.turn(1)
  t.equal(lines.all.length, 2)
})

t.test('a client that a server does not want stays away until it is told to come', async t => {
  const lines = connecting(t)
  await welcomed(lines)
  lines.last.drop(4003, 'too_many_connections')
  t.same(lines.states, ['connecting', 'open', 'refused REFUSED'])
  lines.environment.wake()
  lines.environment.goOffline()
  lines.environment.clock.turn(3_600_000)
  t.equal(lines.all.length, 1)
  t.equal(lines.connection.state.value, 'refused')
  lines.connection.reconnect()
  t.equal(lines.all.length, 2)
  await welcomed(lines)
  t.equal(lines.connection.state.value, 'open')
})

t.test('is offline at once when the network goes, and connects when it is back', async t => {
  const lines = connecting(t)
  await welcomed(lines)
  lines.environment.goOffline()
  t.ok(lines.last.isClosed)
  t.same(lines.states, ['connecting', 'open', 'offline DISCONNECTED'])
  t.same(lines.told, ['ready', 'lost'])
  lines.environment.clock.turn(3_600_000)
  t.equal(lines.all.length, 1)
  lines.environment.wake()
  t.equal(lines.all.length, 2)
  t.equal(lines.connection.state.value, 'connecting')
})

t.test('the page is seen again: a delay ends, and a connection is tested', async t => {
  const lines = connecting(t)
  lines.last.drop()
  lines.environment.wake()
  t.equal(lines.all.length, 2)
  lines.environment.wake()
  t.equal(lines.all.length, 2, 'an attempt goes on')
  await welcomed(lines)
  lines.environment.wake()
  t.match(lines.last.sent.at(-1), { type: 'ping' })
  lines.environment.clock.turn(2_000)
  t.equal(lines.connection.state.value, 'waiting')
})

t.test('reconnect makes a new connection where there is one', async t => {
  const lines = connecting(t)
  await welcomed(lines)
  const errors: string[] = []
  lines.connection.ask('store.all', {}, t.fail, ({ code }) => { errors.push(code) })
  const [first] = lines.all
  lines.connection.reconnect()
  t.ok(first?.isClosed)
  t.same(errors, ['DISCONNECTED'])
  t.equal(lines.all.length, 2)
  first?.say({ type: 'push' })
  first?.drop()
  t.equal(lines.connection.state.value, 'connecting', 'the former one is not heard any more')
  await welcomed(lines)
  t.same(lines.told, ['ready', 'lost', 'ready'])
})

t.test('close ends it, and nothing but reconnect begins it', async t => {
  const lines = connecting(t)
  await welcomed(lines)
  lines.connection.close()
  t.ok(lines.last.isClosed)
  t.equal(lines.environment.watchers, 0)
  t.equal(lines.environment.clock.pending, 0)
  t.match(lines.connection.state, { value: 'refused', error: { message: /closed/ } })
  lines.connection.wake()
  t.equal(lines.all.length, 1)
  lines.connection.reconnect()
  t.equal(lines.environment.watchers, 1)
  lines.last.drop()
  lines.connection.close()
  t.equal(lines.environment.clock.pending, 0, 'nor while it waits')
})

t.test('functions that are told of an end may connect anew, or close', async t => {
  const lines: Connecting = connecting(t, {}, { onLost: () => { lines.connection.reconnect() } })
  await welcomed(lines)
  lines.last.drop()
  t.equal(lines.all.length, 2)
  t.equal(lines.connection.state.value, 'connecting')
  t.equal(lines.all.filter(({ isClosed }) => !isClosed).length, 1)

  const closing: Connecting = connecting(t)
  await welcomed(closing)
  closing.connection.state.subscribe(() => {
    if (closing.connection.state.value === 'waiting') closing.connection.close()
  })
  closing.last.drop()
  t.equal(closing.connection.state.value, 'refused')
  t.equal(closing.environment.clock.pending, 0)
})

t.test('a plan of attempts may end', async t => {
  let left = 1
  const nextDelay: NextDelay = () => left-- > 0 ? 100 : undefined
  const lines = connecting(t, { nextDelay })
  lines.last.drop()
  lines.environment.clock.turn(100)
  lines.last.drop()
  t.same(lines.states.at(-1), 'refused DISCONNECTED')
})

t.test('a request without a connection is told so at once', async t => {
  const lines = connecting(t)
  const errors: unknown[] = []
  lines.connection.ask('store.all', {}, t.fail, error => { errors.push(error) })
  t.match(errors, [{ code: 'DISCONNECTED', outcome: 'not-done' }])
  t.notOk(lines.connection.has('idempotency'))
})

t.test('a renewal that fails is an error of a connection that is open', async t => {
  let calls = 0
  const getToken = (): string => {
    if (++calls > 1) throw new Error('no network')
    return 'secret'
  }
  const lines = connecting(t, { getToken })
  lines.last.welcome({ requiresAuth: true, serverTime: 0 })
  await clientCode()
  lines.last.answer(lines.last.requests()[0] as LineMessage, { expiresAt: 8_000 })
  await clientCode()
  lines.environment.clock.turn(6_001)
  await clientCode()
  t.same(lines.states, ['connecting', 'open', 'open LOGIN_FAILED'])
  for (let i = 0; i < 5; i++) {
    lines.environment.clock.turn(500)
    await clientCode()
  }
  t.ok(lines.states.includes('waiting LOGIN_FAILED'), 'when the session has ended')
})

t.test('shows the way that messages take', async t => {
  const lines = connecting(t)
  lines.last.kind = 'http'
  await welcomed(lines)
  t.equal(lines.connection.state.transport, 'http')
})
