import t from 'tap'
import { bodyOf, converse, type Conversation } from '../../../lib/client/conversation.js'
import type { Ending } from '../../../lib/client/ending.js'
import type { NoexClientError } from '../../../lib/client/errors.js'
import type { ConnectionSettings } from '../../../lib/client/settings.js'
import { clientCode } from '../../support/client-code.js'
import { FakeEnvironment, FakeLine, FakeLines, type LineMessage } from '../../support/fake-line.js'

interface Conversing {
  readonly conversation: Conversation
  readonly environment: FakeEnvironment
  readonly line: FakeLine
  readonly events: string[]
  /** The users that are known, with what has said so. */
  readonly users: string[]
  readonly messages: LineMessage[]
  readonly ends: Ending[]
  /** The arguments of the callbacks of requests, in order. */
  readonly replies: unknown[]
  readonly ask: (type: string, members?: object) => () => void
}

function conversing (settings: Partial<ConnectionSettings> = {}): Conversing {
  const environment = new FakeEnvironment()
  const lines = new FakeLines()
  const events: string[] = []
  const users: string[] = []
  const messages: LineMessage[] = []
  const ends: Ending[] = []
  const replies: unknown[] = []
  const conversation = converse({
    environment,
    open: lines.open,
    place: 'wss://h/live',
    connectTimeoutMs: 10_000,
    minDelayMs: 500,
    maxDelayMs: 30_000,
    nextDelay: () => undefined,
    ...settings
  }, {
    onUser: ({ type, userId }) => { users.push(`${userId} by ${type ?? 'login'}`) },
    onReady: () => { events.push('ready') },
    onMessage: message => { messages.push(message) },
    onLeaving: () => { events.push('leaving') },
    onProblem: error => { events.push(`problem ${error?.code}`) },
    onEnd: ending => {
      events.push('end')
      ends.push(ending)
    }
  })
  return {
    conversation,
    environment,
    line: lines.last,
    events,
    users,
    messages,
    ends,
    replies,
    ask: (type, members = {}) => conversation.ask(
      bodyOf(type, members),
      data => { replies.push(data) },
      ({ code, message }: NoexClientError) => { replies.push(`${code} ${message}`) }
    )
  }
}

t.test('is ready after the welcome of a server without logins', async t => {
  const { conversation, line, events } = conversing()
  t.notOk(conversation.isReady)
  line.welcome({ extensions: ['delta', 'ping'] })
  t.same(events, ['ready'])
  t.ok(conversation.isReady)
  t.ok(conversation.has('delta'))
  t.notOk(conversation.has('page'))
  t.match(conversation.welcome, { version: '1.0.0' })
})

t.test('extensions that are none are none', async t => {
  for (const extensions of [undefined, null, 'delta', { delta: true }, 5]) {
    const { conversation, line, events } = conversing()
    line.welcome({ extensions })
    t.same(events, ['ready'])
    t.notOk(conversation.has('delta'))
  }
})

t.test('logs in before it is ready', async t => {
  const { line, events, users } = conversing({ getToken: () => 'secret' })
  line.welcome({ requiresAuth: true })
  await clientCode()
  const [login = {}] = line.requests()
  t.match(login, { type: 'auth.login', token: 'secret' })
  t.same(events, [])
  line.answer(login, { userId: 'alice', expiresAt: null })
  await clientCode()
  t.same(events, ['ready'])
  t.same(users, ['alice by login'])
})

t.test('without a login it is the welcome that may say who is logged in', async t => {
  const { line, users } = conversing()
  line.welcome({ userId: 'alice' })
  t.same(users, ['alice by welcome'])
  const optional = conversing({ getToken: () => undefined as never })
  optional.line.welcome({ userId: 'bob' })
  await clientCode()
  t.same(optional.users, ['bob by welcome'])
})

t.test('without a login that the server wants it ends, unless the application sends one', async t => {
  const without = conversing()
  without.line.welcome({ requiresAuth: true })
  await clientCode()
  t.match(without.ends, [{ isFinal: true, error: { code: 'UNAUTHORIZED', message: /getToken/ } }])
  const manual = conversing({ isLoginManual: true })
  manual.line.welcome({ requiresAuth: true })
  t.same(manual.events, ['ready'])
})

t.test('a first message that is no welcome is no server of ours', async t => {
  const first = [
    'hello', '<!doctype html>', '', '5', 'null', '[]', '"welcome"', '{"type":"ping"}', '{"type":5}', '{'
  ]
  for (const text of first) {
    const { line, ends } = conversing()
    line.say(text)
    const error = { code: 'DISCONNECTED', message: /no server of this protocol/ }
    t.match(ends, [{ isFinal: false, error }], text)
    t.ok(line.isClosed)
  }
})

t.test('text that is no JSON, and a second welcome, end it: nothing that follows is complete', async t => {
  for (const text of ['junk', '{"type":"welcome"}']) {
    const { line, ends } = conversing()
    line.welcome()
    line.say(text)
    t.match(ends, [{ isFinal: false, error: { code: 'DISCONNECTED' } }])
  }
})

t.test('messages that it does not know are ignored', async t => {
  const { line, events, messages } = conversing()
  line.welcome()
  const unknown = [
    '5', 'null', '[]', '"x"', '{}', '{"type":null}', '{"type":["push"]}', '{"type":"news"}',
    '{"type":"toString"}', '{"type":"__proto__"}', '{"type":"result","id":99}', '{"type":"error"}',
    '{"type":"result","id":{}}'
  ]
  for (const text of unknown) line.say(text)
  t.same(events, ['ready'])
  t.same(messages, [])
})

t.test('each reply goes to its request, in any order', async t => {
  const { line, ask, replies } = conversing()
  line.welcome()
  ask('store.get', { bucket: 'a', id: 'mine', type: 'other' })
  ask('store.all')
  const [first = {}, second = {}] = line.requests()
  t.match(first, { type: 'store.get', bucket: 'a' })
  t.not(first['id'], 'mine')
  t.not(first['id'], second['id'])
  line.answer(second, 2)
  line.refuse(first, 'NOT_FOUND', 'not there')
  line.answer(first, 'again')
  t.same(replies, [2, 'NOT_FOUND not there'])
})

t.test('an error without its members is an error', async t => {
  const { line, ask, replies } = conversing()
  line.welcome()
  ask('store.get')
  line.say({ type: 'error', id: line.requests()[0]?.['id'] })
  t.same(replies, ['undefined undefined'])
})

t.test('requests without a reply are told at the end, before it is', async t => {
  const { line, ask, replies, events, conversation } = conversing()
  line.welcome()
  ask('store.get')
  const giveUp = ask('store.all')
  giveUp()
  line.drop(1006, '', 'read ECONNRESET')
  t.match(replies, [/^DISCONNECTED/])
  t.same(events, ['ready', 'end'])
  t.notOk(conversation.isReady)
  conversation.end({})
  t.equal(events.length, 2, 'it ends once')
})

t.test('answers pings, and counts them as life', async t => {
  const { line, environment, ends } = conversing()
  line.welcome({ heartbeatMs: 20_000 })
  for (let i = 0; i < 5; i++) {
    environment.clock.turn(15_000)
    line.say({ type: 'ping', timestamp: i })
  }
  t.same(line.sent, [0, 1, 2, 3, 4].map(timestamp => ({ type: 'pong', timestamp })))
  environment.clock.turn(21_999)
  t.match(line.sent.at(-1), { type: 'ping' })
  t.same(ends, [])
  environment.clock.turn(1)
  t.match(ends, [{ error: { message: /does not answer/ } }])
})

t.test('the time of silence is the option, else that of the server, else that between pings', async t => {
  /** Returns the time after which a silent connection is ended. */
  const patience = (
    settings: Partial<ConnectionSettings>, welcome: object, ...pingsAt: number[]
  ): number => {
    const { line, environment, ends } = conversing(settings)
    line.welcome({ heartbeatMs: undefined, ...welcome })
    for (const ms of pingsAt) {
      environment.clock.turn(ms)
      line.say({ type: 'ping', timestamp: 1 })
    }
    let waitedMs = 0
    for (; ends.length === 0 && waitedMs < 100_000; waitedMs += 500) environment.clock.turn(500)
    return waitedMs
  }
  t.equal(patience({ heartbeatMs: 5_000 }, { heartbeatMs: 20_000 }, 1_000, 1_000), 7_000)
  t.equal(patience({}, { heartbeatMs: 20_000 }, 1_000, 1_000), 22_000)
  t.equal(patience({}, {}, 1_000, 12_000), 14_000)
  t.equal(patience({}, {}), 32_000)
  t.equal(patience({}, {}, 1_000), 32_000)
  for (const heartbeatMs of ['x', null, {}]) t.equal(patience({}, { heartbeatMs }), 32_000)
  for (const heartbeatMs of [0, -5, 1e-9]) t.equal(patience({}, { heartbeatMs }), 2_000, 'no storm of pings')
})

t.test('an error is an answer to its ping', async t => {
  const { line, environment, ends } = conversing()
  line.welcome()
  environment.clock.turn(30_000)
  line.refuse(line.sent.at(-1) as LineMessage, 'UNKNOWN_OPERATION')
  environment.clock.turn(29_000)
  t.same(ends, [])
})

t.test('no welcome at all ends it', async t => {
  const { environment, ends, line } = conversing()
  environment.clock.turn(30_000)
  t.match(ends, [{ error: { message: /no welcome/ } }])
  t.ok(line.isClosed)
  t.equal(environment.clock.pending, 0)
})

t.test('leaves a server that is about to stop, when all requests are answered', async t => {
  const { line, ask, events, ends, replies, conversation } = conversing()
  line.welcome()
  ask('store.insert')
  const giveUp = ask('store.all')
  line.say({ type: 'system', event: 'shutdown', gracePeriodMs: 5_000, reconnectAfterMs: 1_730 })
  t.same(events, ['ready', 'leaving'])
  t.notOk(conversation.isReady)
  line.answer(line.requests()[0] as LineMessage, 'done')
  t.same(ends, [])
  giveUp()
  t.same(replies, ['done'])
  t.match(ends, [{ afterMs: 1_730, error: undefined }])
  t.ok(line.isClosed)
})

t.test('a server that closes first has said when to come back, too', async t => {
  const { line, ask, ends } = conversing()
  line.welcome()
  ask('store.insert')
  line.say({ type: 'system', event: 'shutdown', gracePeriodMs: 5_000, reconnectAfterMs: 1_730 })
  line.drop(1000, 'server_shutdown')
  t.match(ends, [{ afterMs: 1_730, isFinal: false }])
})

t.test('leaves when its session has ended, unless the application logs in', async t => {
  const { line, ask, events, ends } = conversing()
  line.welcome()
  ask('store.insert')
  line.say({ type: 'system', event: 'session_ended', reason: 'expired' })
  t.same(events, ['ready', 'leaving'])
  line.answer(line.requests()[0] as LineMessage, 'done')
  t.same(ends, [{ afterMs: 0 }])
  const manual = conversing({ isLoginManual: true })
  manual.line.welcome({ requiresAuth: true })
  manual.line.say({ type: 'system', event: 'session_ended', reason: 'expired' })
  t.same(manual.events, ['ready'])
})

t.test('leaves at once when nothing waits, and for no longer than is reasonable', async t => {
  for (const [reconnectAfterMs, afterMs] of [[undefined, 0], ['soon', 0], [-1, 0], [1e12, 600_000]]) {
    const { line, ends } = conversing()
    line.welcome()
    line.say({ type: 'system', event: 'shutdown', reconnectAfterMs })
    t.same(ends, [{ afterMs }])
  }
})

t.test('a session that is revoked is the end', async t => {
  const { line, ends, messages } = conversing()
  line.welcome()
  line.say({ type: 'system', event: 'session_revoked', reason: 'You are fired' })
  t.match(ends, [{ isFinal: true, error: { code: 'SESSION_REVOKED', message: 'You are fired' } }])
  t.equal(messages.length, 1)
})

t.test('pushes and news are passed on', async t => {
  const { line, messages } = conversing()
  line.welcome()
  line.say({ type: 'push', channel: 'subscription', subscriptionId: 's' })
  line.say({ type: 'system', event: 'gap', count: 2 })
  t.match(messages, [{ type: 'push' }, { type: 'system', event: 'gap' }])
})

t.test('knows the time of the server, though its own clock is another one', async t => {
  const { line, environment, conversation } = conversing()
  environment.clock.turn(77)
  line.welcome({ serverTime: 5_000_000 })
  environment.clock.turn(250)
  t.equal(conversation.serverNow(), 5_000_250)
})

t.test('nothing that comes after the end is heard', async t => {
  const { line, conversation, events, messages } = conversing()
  line.welcome()
  conversation.end({})
  line.say({ type: 'push' })
  line.say('junk')
  t.same(events, ['ready', 'end'])
  t.same(messages, [])
})

t.test('a request that is too long for the server is refused alone, and says by which option', async t => {
  const { line, ask, replies, ends } = conversing()
  line.welcome({ maxPayloadBytes: 200 })
  const body = bodyOf('a', { text: '' })
  const room = 200 - 24 - body.length
  ask('a', { text: 'x'.repeat(room) })
  t.equal(line.requests().length, 1, 'the longest that the server takes')
  ask('a', { text: 'x'.repeat(room + 1) })
  ask('a', { text: 'é'.repeat(room / 2 + 1) })
  t.same(line.requests(), [])
  const message = 'The request is longer than maxPayloadBytes of the server: 200'
  t.same(replies, Array(2).fill(`PAYLOAD_TOO_LARGE ${message}`))
  ask('b')
  t.match(line.requests(), [{ type: 'b' }])
  t.same(ends, [])
})

t.test('a server that does not say how long messages may be gets them all', async t => {
  for (const maxPayloadBytes of [undefined, null, 'x', {}, NaN]) {
    const { line, ask } = conversing()
    line.welcome({ maxPayloadBytes })
    ask('a', { text: 'x'.repeat(10_000) })
    t.equal(line.requests().length, 1, String(maxPayloadBytes))
  }
})
