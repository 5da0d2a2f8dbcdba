import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { backoff } from '../../../lib/client/backoff.js'
import { createConnection, type Connection } from '../../../lib/client/connection.js'
import type { SendRequest } from '../../../lib/client/optimistic.js'
import { createRequests } from '../../../lib/client/requests.js'
import { operations } from '../../../lib/operations/registry.js'
import { withoutChance } from '../../support/chance.js'
import { FakeEnvironment, FakeLines, type LineMessage } from '../../support/fake-line.js'

interface Requesting extends FakeLines {
  readonly connection: Connection
  readonly environment: FakeEnvironment
  readonly request: SendRequest
}

function requesting (t: Test): Requesting {
  withoutChance(t, 1)
  const environment = new FakeEnvironment()
  const lines = new FakeLines()
  const connection = createConnection({
    environment,
    open: lines.open,
    place: 'wss://h/live',
    connectTimeoutMs: 10_000,
    minDelayMs: 500,
    maxDelayMs: 500,
    nextDelay: backoff(500, 500)
  })
  const request = createRequests(connection, 10_000, environment)
  return Object.assign(lines, { connection, environment, request })
}

/** Has the connection lost, made again, and welcomed with these members. */
function lose (lines: Requesting, welcome: LineMessage = {}): void {
  lines.last.drop()
  lines.environment.clock.turn(500)
  lines.last.welcome(welcome)
}

t.test('a request before the connection is there waits for it, in order', async t => {
  const lines = requesting(t)
  t.equal(lines.all.length, 0)
  const replies = [lines.request('store.insert', { bucket: 'a' }), lines.request('store.all')]
  t.equal(lines.all.length, 1, 'the first request connects')
  lines.last.welcome()
  const [first = {}, second = {}] = lines.last.requests()
  t.match([first, second], [{ type: 'store.insert', bucket: 'a' }, { type: 'store.all' }])
  t.not(first['id'], second['id'])
  lines.last.answer(first, 1)
  lines.last.answer(second, 2)
  t.same(await Promise.all(replies), [1, 2])
  t.equal(lines.environment.clock.pending, 1, 'but the timer of silence')
})

t.test('an error of the server rejects with its code and details', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.update', {}, { retry: true })
  lines.last.welcome()
  lines.last.refuse(lines.last.requests()[0] as LineMessage, 'RATE_LIMITED', 'too much', { retryAfterMs: 5 })
  await t.rejects(replied, { name: 'NoexClientError', code: 'RATE_LIMITED', details: { retryAfterMs: 5 } })
})

t.test('the members are those of the moment of the call', async t => {
  const lines = requesting(t)
  const members = { bucket: 'a', data: { n: 1 }, id: 'mine', type: 'other' }
  lines.request('store.insert', members).catch(() => {})
  members.data.n = 2
  lines.last.welcome()
  const [sent] = lines.last.requests()
  t.match(sent, { type: 'store.insert', bucket: 'a', data: { n: 1 }, id: Number })
})

t.test('what is no JSON rejects, and nothing is sent', async t => {
  const lines = requesting(t)
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  for (const data of [5n, cyclic, [cyclic]]) {
    await t.rejects(lines.request('store.insert', { data }), {
      name: 'TypeError', message: /^store\.insert must be JSON: /
    })
  }
  await t.rejects(lines.request('store.insert', { idempotencyKey: Symbol('x') }), {
    message: /^idempotencyKey must be JSON/
  })
  lines.connection.wake()
  lines.last.welcome()
  t.same(lines.last.requests(), [])
})

t.test('wrong arguments reject at once, each with what is right', async t => {
  const lines = requesting(t)
  const wrong: Array<[args: any[], message: string]> = [
    [['a', null], 'a: members must be an object'],
    [['a', []], 'a: members must be an object'],
    [['a', {}, null], 'a: options must be an object'],
    [['a', {}, { timeoutMs: '5' }], 'a: timeoutMs must be a number of milliseconds above 0'],
    [['a', {}, { retry: 1 }], 'a: retry must be a boolean'],
    [['a', {}, { signal: {} }], 'a: signal.addEventListener must be a function'],
    [['a', {}, { timeout: 5 }], 'a: there is no option timeout: there are timeoutMs, retry, signal']
  ]
  for (const [args, message] of wrong) {
    await t.rejects((lines.request as any)(...args), { name: 'TypeError', message })
  }
  t.equal(lines.all.length, 0)
  t.equal(lines.environment.clock.pending, 0)
})

t.test('a request that is not sent in time is withdrawn', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.insert', {}, { timeoutMs: 300 })
  lines.last.drop(1006, '', 'connect ECONNREFUSED')
  lines.environment.clock.turn(300)
  await t.rejects(replied, {
    name: 'TimeoutError', code: 'TIMEOUT', outcome: 'not-done', message: /store\.insert .*300 ms.*ECONNREFUSED/
  })
  lines.environment.clock.turn(200)
  lines.last.welcome()
  t.same(lines.last.requests(), [])
})

t.test('a reply that never comes leaves it unknown, and one that is late is ignored', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.insert')
  lines.last.welcome()
  const [sent] = lines.last.requests()
  lines.environment.clock.turn(10_000)
  await t.rejects(replied, { code: 'TIMEOUT', outcome: 'unknown' })
  lines.last.answer(sent as LineMessage)
  t.equal(lines.connection.state.value, 'open')
})

t.test('without a limit it waits for as long as it takes', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.insert', {}, { timeoutMs: Infinity })
  for (let i = 0; i < 100; i++) {
    lines.last.drop()
    lines.environment.clock.turn(3_600_000)
  }
  lines.last.welcome()
  lines.last.answer(lines.last.requests()[0] as LineMessage, 'at last')
  t.equal(await replied, 'at last')
})

t.test('a lost connection says of each request whether it may have happened', async t => {
  const lines = requesting(t)
  lines.connection.wake()
  lines.last.welcome()
  const sent = lines.request('store.insert')
  lines.last.drop()
  await t.rejects(sent, { name: 'DisconnectedError', code: 'DISCONNECTED', outcome: 'unknown' })
  const waiting = lines.request('store.insert')
  lines.environment.clock.turn(500)
  lines.last.drop(4003, 'too_many_connections')
  await t.rejects(waiting, { code: 'DISCONNECTED', outcome: 'not-done', message: /too_many_connections/ })
  await t.rejects(lines.request('store.insert'), { outcome: 'not-done', message: /reconnect\(\)/ })
})

t.test('with retry a request is repeated with its key until it is answered', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.insert', { bucket: 'a' }, { retry: true })
  lines.last.welcome()
  const [first = {}] = lines.last.requests()
  t.match(first['idempotencyKey'], /^\d+(-\d+){3}$/)
  for (let i = 0; i < 3; i++) lose(lines)
  const [again = {}] = lines.last.requests()
  t.same({ ...again, id: 0 }, { ...first, id: 0 })
  lines.last.answer(again, 'done')
  t.equal(await replied, 'done')
  lose(lines)
  t.same(lines.last.requests(), [])
})

t.test('each request has a key of its own, or that of the application', async t => {
  const lines = requesting(t)
  const keys = [{}, {}, { idempotencyKey: 'mine "quoted"' }, { idempotencyKey: undefined }]
  for (const members of keys) lines.request('store.clear', members, { retry: true }).catch(() => {})
  lines.last.welcome()
  const sent = lines.last.requests().map(({ idempotencyKey }) => idempotencyKey)
  t.equal(new Set(sent).size, 4)
  t.equal(sent[2], 'mine "quoted"')
  t.match(sent[3], /^\d+(-\d+){3}$/)
})

t.test('without retry there is no key, and no repetition', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.get')
  lines.last.welcome()
  t.notOk('idempotencyKey' in (lines.last.requests()[0] as LineMessage))
  lose(lines)
  await t.rejects(replied, { code: 'DISCONNECTED', outcome: 'unknown' })
  t.same(lines.last.requests(), [])
})

t.test('repeated requests keep their order', async t => {
  const lines = requesting(t)
  for (const n of [1, 2]) lines.request('store.insert', { n }, { retry: true }).catch(() => {})
  lines.last.welcome()
  lines.last.drop()
  lines.request('store.insert', { n: 3 }).catch(() => {})
  lines.environment.clock.turn(500)
  lines.last.welcome()
  t.same(lines.last.requests().map(({ n }) => n), [1, 2, 3])
})

t.test('a server that knows no keys does a request once, or tells that it may have', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.insert', {}, { retry: true })
  const other = lines.request('store.insert', {}, { retry: true })
  lines.last.welcome({ extensions: [] })
  lines.last.answer(lines.last.requests()[0] as LineMessage)
  await replied
  lose(lines, { extensions: ['idempotency'] })
  await t.rejects(other, { code: 'DISCONNECTED', outcome: 'unknown' })
  t.same(lines.last.requests(), [])
})

t.test('nor is it repeated on such a server when another one has had it', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.insert', {}, { retry: true })
  lines.last.welcome()
  lose(lines, { extensions: [] })
  await t.rejects(replied, { outcome: 'unknown', message: /cannot be repeated/ })
  t.same(lines.last.requests(), [])
})

t.test('nor when the server may have forgotten its key, by the clock of the server', async t => {
  const lines = requesting(t)
  const started = 1_764_000_000_000
  const options = { retry: true, timeoutMs: Infinity }
  const soon = lines.request('store.insert', {}, options)
  lines.last.welcome({ serverTime: started })
  lose(lines, { serverTime: started + 500_000 })
  t.equal(lines.last.requests().length, 1)
  // The device has slept, and its clock did not go on.
  lose(lines, { serverTime: started + 541_000 })
  await t.rejects(soon, { code: 'DISCONNECTED', outcome: 'unknown' })
  t.same(lines.last.requests(), [])
})

t.test('nor after the time for which the server says that it remembers keys', async t => {
  const times: Array<[window: unknown, ms: number, isRepeated: boolean]> = [
    [10_000, 8_500, true], [10_000, 9_500, false], [3_600_000, 3_000_000, true], [undefined, 500_000, true],
    [null, 541_000, false], ['x', 1_000, false], [NaN, 541_000, false]
  ]
  for (const [idempotencyWindowMs, ms, isRepeated] of times) {
    const lines = requesting(t)
    const serverTime = 1_764_000_000_000
    const answer = lines.request('store.insert', {}, { retry: true, timeoutMs: Infinity })
    lines.last.welcome({ serverTime, idempotencyWindowMs })
    lose(lines, { serverTime: serverTime + ms, idempotencyWindowMs })
    const [again] = lines.last.requests()
    t.equal(again !== undefined, isRepeated, `${idempotencyWindowMs} after ${ms} ms`)
    if (again) lines.last.answer(again)
    if (isRepeated) await answer
    else await t.rejects(answer, { code: 'DISCONNECTED', outcome: 'unknown' })
  }
})

t.test('a read is repeated without a key, also by a server that knows none', async t => {
  const lines = requesting(t)
  const replied = lines.request('store.get', { key: 1 }, { retry: true })
  lines.last.welcome({ extensions: [] })
  lose(lines, { extensions: [] })
  const [sent = {}] = lines.last.requests()
  t.notOk('idempotencyKey' in sent)
  lines.last.answer(sent, 'row')
  t.equal(await replied, 'row')
})

t.test('an operation of the application that takes no key is repeated without', async t => {
  const lines = requesting(t)
  const replied = lines.request('orders.report', {}, { retry: true })
  lines.last.welcome()
  const [first = {}] = lines.last.requests()
  lines.last.refuse(first, 'VALIDATION_ERROR', 'idempotencyKey: is not taken by orders.report: leave it out')
  const [second = {}] = lines.last.requests()
  t.notOk('idempotencyKey' in second)
  lose(lines)
  lines.last.answer(lines.last.requests()[0] as LineMessage, 'report')
  t.equal(await replied, 'report')
})

t.test('only operations that take no key go without', async t => {
  for (const [name, { takesKey }] of operations) {
    const lines = requesting(t)
    lines.request(name, {}, { retry: true }).catch(() => {})
    lines.last.welcome()
    const hasKey = 'idempotencyKey' in (lines.last.requests()[0] as LineMessage)
    if (takesKey === true) t.ok(hasKey, name)
    else if (/^store\.(get|all|list|query|stats)/.test(name)) t.notOk(hasKey, name)
  }
})

t.test('an AbortSignal gives up a request, before and after it is sent', async t => {
  const lines = requesting(t)
  const early = new AbortController()
  const never = lines.request('store.insert', {}, { signal: early.signal })
  early.abort()
  await t.rejects(never, { code: 'ABORTED', details: { outcome: 'not-done' } })
  const late = new AbortController()
  const sent = lines.request('store.insert', {}, { signal: late.signal, retry: true })
  lines.last.welcome()
  t.equal(lines.last.requests().length, 1)
  late.abort()
  await t.rejects(sent, { code: 'ABORTED', details: { outcome: 'unknown' } })
  lose(lines)
  t.same(lines.last.requests(), [])
  await t.rejects(lines.request('store.all', {}, { signal: late.signal }), { code: 'ABORTED' })
})

t.test('a request that is settled leaves nothing at its signal', async t => {
  const lines = requesting(t)
  const controller = new AbortController()
  let listeners = 0
  const { signal } = controller
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: any) => {
    listeners++
    ;(addEventListener as any).apply(signal, args)
  }
  signal.removeEventListener = (...args: any) => {
    listeners--
    ;(removeEventListener as any).apply(signal, args)
  }
  const replied = lines.request('store.all', {}, { signal })
  lines.last.welcome()
  lines.last.answer(lines.last.requests()[0] as LineMessage)
  await replied
  t.equal(listeners, 0)
})

t.test('a bounded number of requests waits for a connection', async t => {
  const lines = requesting(t)
  for (let i = 0; i < 10_000; i++) lines.request('store.get').catch(() => {})
  await t.rejects(lines.request('store.get'), { outcome: 'not-done', message: /10000 others wait/ })
  lines.last.welcome()
  t.equal(lines.last.requests().length, 10_000)
  lines.request('store.get').catch(() => {})
  t.equal(lines.last.requests().length, 1, 'what is sent has no such bound')
})

t.test('a server that stops gets no new requests', async t => {
  const lines = requesting(t)
  const first = lines.request('store.insert')
  lines.last.welcome()
  lines.last.say({ type: 'system', event: 'shutdown', reconnectAfterMs: 20 })
  const second = lines.request('store.all')
  const [sent = {}, ...others] = lines.last.requests()
  t.same(others, [])
  lines.last.answer(sent, 'first')
  t.equal(await first, 'first')
  lines.environment.clock.turn(520)
  lines.last.welcome()
  lines.last.answer(lines.last.requests()[0] as LineMessage, 'second')
  t.equal(await second, 'second')
})

t.test('what one user has asked for is not sent as another, and what this one asks for is', async t => {
  const lines = requesting(t)
  const sent = lines.request('store.insert', {}, { retry: true })
  lines.last.welcome({ userId: 'alice' })
  t.equal(lines.last.requests().length, 1)
  lines.last.drop()
  const waiting = lines.request('store.delete', {}, { retry: true })
  lines.environment.clock.turn(500)
  const next = lines.request('store.all')
  lines.last.welcome({ userId: 'bob' })
  await t.rejects(sent, { code: 'DISCONNECTED', outcome: 'unknown', message: /another user has logged in/ })
  await t.rejects(waiting, { code: 'DISCONNECTED', outcome: 'not-done', message: /another user/ })
  const [only = {}, ...others] = lines.last.requests()
  t.same([only['type'], others], ['store.all', []])
  lines.connection.identify({ userId: 'carol' })
  lines.last.answer(only, [])
  t.same(await next, [], 'what is on its way gets its answer')
})

t.test('a closed client rejects what waits', async t => {
  const lines = requesting(t)
  const waiting = lines.request('store.all', {}, { retry: true })
  lines.connection.close()
  await t.rejects(waiting, { code: 'DISCONNECTED', outcome: 'not-done', message: /closed/ })
  await t.rejects(lines.request('store.all'), { code: 'DISCONNECTED' })
  await setImmediate()
  t.equal(lines.all.length, 1)
})
