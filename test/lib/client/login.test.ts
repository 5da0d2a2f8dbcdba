import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Ending } from '../../../lib/client/ending.js'
import { NoexClientError } from '../../../lib/client/errors.js'
import { logIn, type Login } from '../../../lib/client/login.js'
import { withoutChance } from '../../support/chance.js'
import { FakeEnvironment } from '../../support/fake-line.js'

/** The server's time when a login begins; that of the client is another one by far. */
const NOW = 1_900_000_000_000
const HOUR = 3_600_000

interface Asked {
  readonly type: string
  readonly members: object
  readonly answer: (data: unknown) => Promise<void>
  readonly refuse: (code: string, details?: unknown) => Promise<void>
}

interface LoggingIn extends FakeEnvironment {
  readonly login: Login
  readonly asked: Asked[]
  readonly events: string[]
  /** Who has logged in, at each login. */
  readonly users: unknown[]
  readonly problems: Array<NoexClientError | undefined>
  readonly ends: Ending[]
  /** Moves the clock, and lets promises settle. */
  readonly turn: (ms: number) => Promise<void>
}

function loggingIn (getToken: (() => any) | undefined, { isRequired = true } = {}): LoggingIn {
  const environment = new FakeEnvironment()
  const asked: Asked[] = []
  const events: string[] = []
  const users: unknown[] = []
  const problems: Array<NoexClientError | undefined> = []
  const ends: Ending[] = []
  const login = logIn({
    environment,
    getToken,
    connectTimeoutMs: 10_000,
    minDelayMs: 500,
    maxDelayMs: 30_000,
    nextDelay: () => undefined,
    place: '',
    open: () => { throw new Error('not opened here') }
  }, {
    isRequired,
    serverNow: () => NOW + environment.clock.ticks(),
    request: async (type, members) => await new Promise((resolve, reject) => {
      asked.push({
        type,
        members,
        answer: async data => {
          resolve(data)
          await setImmediate()
        },
        refuse: async (code, details) => {
          reject(new NoexClientError(code, `it is ${code}`, details))
          await setImmediate()
        }
      })
    }),
    onUser: reply => { users.push(reply?.userId) },
    onReady: () => { events.push('ready') },
    onProblem: error => {
      events.push(error === undefined ? 'renewed' : 'problem')
      problems.push(error)
    },
    onFailed: ending => {
      events.push(ending.isFinal === true ? 'refused' : 'failed')
      ends.push(ending)
      login.stop()
    }
  })
  const turn = async (ms: number): Promise<void> => {
    await setImmediate()
    // A login has its own timer, which is not to end before its promises have settled.
    for (let left = ms; left >= 0; left -= 5_000) {
      environment.clock.turn(Math.min(left, 5_000))
      await setImmediate()
    }
  }
  return Object.assign(environment, { login, asked, events, users, problems, ends, turn })
}

t.test('logs in with a token, or with a name and a password', async t => {
  const byToken = loggingIn(() => 'secret')
  await byToken.turn(0)
  t.match(byToken.asked, [{ type: 'auth.login', members: { token: 'secret', sessionNotice: true } }])
  t.same(byToken.events, [])
  await byToken.asked[0]?.answer({ userId: 'alice', expiresAt: null })
  t.same(byToken.events, ['ready'])
  t.equal(byToken.clock.pending, 0, 'a session without an end needs no timer')

  const byName = loggingIn(async () => ({ username: 'alice', password: 'horse', extra: 1 }))
  await byName.turn(0)
  t.match(byName.asked, [{ type: 'identity.login' }])
  t.same(byName.asked[0]?.members, { username: 'alice', password: 'horse', sessionNotice: true })
})

t.test('no token is no login, where the server wants none', async t => {
  for (const token of [undefined, null, '']) {
    const { turn, events, asked } = loggingIn(() => token, { isRequired: false })
    await turn(0)
    t.same(asked, [])
    t.same(events, ['ready'])
  }
})

t.test('no token is refused where the server wants one', async t => {
  for (const getToken of [undefined, () => undefined]) {
    const { turn, ends } = loggingIn(getToken)
    await turn(0)
    t.match(ends, [{ isFinal: true, error: { code: 'UNAUTHORIZED', message: /getToken/ } }])
  }
})

t.test('a server that knows no logins, and wants none, is taken as it is', async t => {
  const { turn, asked, events } = loggingIn(() => 'secret', { isRequired: false })
  await turn(0)
  await asked[0]?.refuse('UNKNOWN_OPERATION')
  t.same(events, ['ready'])
})

t.test('a server that takes another kind of login is the end, with the kinds that there are', async t => {
  const { turn, asked, ends } = loggingIn(() => ({ username: 'alice', password: 'secret' }))
  await turn(0)
  await asked[0]?.refuse('UNKNOWN_OPERATION')
  const message = /it is UNKNOWN_OPERATION: getToken must return a token or .*, as this server takes it$/
  t.match(ends, [{ isFinal: true, error: { code: 'UNKNOWN_OPERATION', message } }])
})

t.test('a getToken that returns anything else is the end, at once', async t => {
  const all = [42, {}, [], true, { username: 'alice' }, { username: 1, password: {} }, () => 'x', 5n]
  for (const wrong of all) {
    const { turn, asked, ends } = loggingIn(() => wrong as never, { isRequired: false })
    await turn(0)
    t.match(ends, [{ isFinal: true, error: { code: 'UNAUTHORIZED', message: /getToken must return a/ } }])
    await turn(HOUR)
    t.equal(asked.length, 0)
  }
})

t.test('a login that the server refuses is the end, and says so', async t => {
  const codes = ['UNAUTHORIZED', 'SESSION_REVOKED', 'FORBIDDEN', 'VALIDATION_ERROR']
  for (const code of codes) {
    const { turn, asked, ends, clock } = loggingIn(() => 'secret')
    await turn(0)
    await asked[0]?.refuse(code)
    t.match(ends, [{ isFinal: true, error: { code, message: /it is .*log in anew.*reconnect\(\)/ } }])
    await turn(HOUR)
    t.equal(asked.length, 1, 'it is not sent again')
    t.equal(clock.pending, 0)
  }
})

t.test('a server that cannot tell at the moment is asked again later', async t => {
  const { turn, asked, ends } = loggingIn(() => 'secret')
  await turn(0)
  await asked[0]?.refuse('RATE_LIMITED', { retryAfterMs: 7_000 })
  t.match(ends, [{ isFinal: false, afterMs: 7_000, error: { code: 'RATE_LIMITED' } }])
  const failing = loggingIn(() => 'secret')
  await failing.turn(0)
  await failing.asked[0]?.refuse('INTERNAL_ERROR', 'junk')
  t.match(failing.ends, [{ isFinal: false, afterMs: 0, error: { code: 'INTERNAL_ERROR' } }])
})

t.test('a getToken that fails is not the server that refuses', async t => {
  const broken: Array<() => unknown> = [
    () => { throw new Error('no network') },
    async () => { throw new Error('no network') },
    // eslint-disable-next-line no-throw-literal
    () => { throw undefined }
  ]
  for (const getToken of broken) {
    const { turn, asked, ends } = loggingIn(getToken)
    await turn(0)
    t.match(ends, [{ isFinal: false, error: { code: 'LOGIN_FAILED' } }], String(getToken))
    t.same(asked, [])
  }
})

t.test('a getToken that hangs ends the attempt, and its token is not sent later', async t => {
  let give = (_token: string): void => {}
  const { turn, asked, ends } = loggingIn(async () => await new Promise(resolve => { give = resolve }))
  await turn(9_999)
  t.same(ends, [])
  await turn(1)
  t.match(ends, [{ isFinal: false, error: { code: 'LOGIN_FAILED', message: /too long/ } }])
  give('late')
  await turn(0)
  t.same(asked, [])
})

t.test('a server that does not answer the login ends the attempt', async t => {
  const { turn, ends, asked } = loggingIn(() => 'secret')
  await turn(10_000)
  t.equal(asked.length, 1)
  t.match(ends, [{ isFinal: false, error: { code: 'LOGIN_FAILED' } }])
  await asked[0]?.answer({ expiresAt: NOW + HOUR })
  t.equal(ends.length, 1)
})

/** Logs in with a session of `ttlMs`. */
async function loggedIn (getToken: () => any, ttlMs: number): Promise<LoggingIn> {
  const state = loggingIn(getToken)
  await state.turn(0)
  await state.asked[0]?.answer({ expiresAt: NOW + ttlMs })
  t.same(state.events.splice(0), ['ready'])
  state.asked.length = 0
  return state
}

t.test('renews a session one to two minutes before its end, by the clock of the server', async t => {
  for (const share of [0, 0.999]) {
    withoutChance(t, share)
    const state = await loggedIn(() => 'secret', HOUR)
    const aheadMs = 60_000 * (1 + share)
    await state.turn(HOUR - aheadMs - 1)
    t.same(state.asked, [])
    await state.turn(1)
    t.match(state.asked, [{ type: 'auth.login' }])
    await state.asked[0]?.answer({ userId: 'bob', expiresAt: NOW + 2 * HOUR })
    t.same(state.events, ['renewed'])
    t.same(state.users, [undefined, 'bob'])
    await state.turn(HOUR)
    t.equal(state.asked.length, 2)
  }
})

t.test('renews a short session in its last quarter', async t => {
  const state = await loggedIn(() => 'secret', 8_000)
  await state.turn(5_999)
  t.same(state.asked, [])
  await state.turn(2)
  t.equal(state.asked.length, 1)
})

t.test('a session of years needs no timer', async t => {
  const state = await loggedIn(() => 'secret', 1_000 * 24 * HOUR)
  await state.turn(0)
  t.same(state.asked, [])
})

t.test('a token that is as old as the one before is not asked for again and again', async t => {
  const state = await loggedIn(() => 'the same', 60_000)
  for (let second = 0; second < 59; second++) {
    await state.turn(1_000)
    await state.asked.at(-1)?.answer({ expiresAt: NOW + 60_000 })
  }
  t.ok(state.asked.length < 8, `${state.asked.length} logins`)
})

t.test('a renewal that fails once is a problem until the next has succeeded', async t => {
  withoutChance(t, 0)
  let calls = 0
  const state = await loggedIn(() => {
    if (++calls === 2) throw new Error('no network')
    return 'secret'
  }, HOUR)
  await state.turn(HOUR - 60_000)
  t.same(state.events, ['problem'])
  t.match(state.problems[0], { code: 'LOGIN_FAILED', message: /no network.*tried again/ })
  await state.turn(501)
  await state.asked[0]?.answer({ expiresAt: NOW + 2 * HOUR })
  t.same(state.events, ['problem', 'renewed'])
})

t.test('a renewal that fails for ever is tried with growing delays, until the session ends', async t => {
  withoutChance(t, 0.5)
  let calls = 0
  const state = await loggedIn(() => {
    if (++calls > 1) throw new Error('no network')
    return 'secret'
  }, HOUR)
  for (let second = 0; second < 3_599; second++) await state.turn(1_000)
  t.ok(calls > 3 && calls < 40, `${calls} calls`)
  t.same(state.ends, [])
  await state.turn(1_002)
  t.match(state.ends, [{ error: { code: 'LOGIN_FAILED', message: /no network/ } }])
  t.not(state.ends[0]?.isFinal, true, 'it is tried again over a new connection')
})

t.test('a renewal that hangs is over when the session is', async t => {
  let calls = 0
  const state = await loggedIn(() => ++calls > 1 ? new Promise(() => {}) : 'secret', 8_000)
  await state.turn(6_100)
  t.equal(calls, 2)
  await state.turn(1_900)
  t.same(state.events, ['problem'])
  await state.turn(10)
  t.match(state.ends, [{ error: { code: 'LOGIN_FAILED', message: /too long/ } }])
})

t.test('a renewal that the server refuses is the end', async t => {
  withoutChance(t, 0)
  const state = await loggedIn(() => 'secret', HOUR)
  await state.turn(HOUR - 60_000)
  await state.asked[0]?.refuse('UNAUTHORIZED')
  t.match(state.ends, [{ isFinal: true, error: { code: 'UNAUTHORIZED' } }])
  await state.turn(HOUR)
  t.equal(state.asked.length, 1)
})

t.test('a renewal without a token is not sent, and is a problem', async t => {
  withoutChance(t, 0)
  let token: string | undefined = 'secret'
  const state = await loggedIn(() => token, HOUR)
  token = undefined
  await state.turn(HOUR - 60_000)
  t.same(state.asked, [])
  t.match(state.problems, [{ code: 'LOGIN_FAILED' }])
})

t.test('ends that are none are taken for no end', async t => {
  for (const expiresAt of [null, undefined, 'tomorrow', NaN, Infinity, {}, NOW - HOUR]) {
    const state = loggingIn(() => 'secret')
    await state.turn(0)
    await state.asked[0]?.answer({ expiresAt })
    t.same(state.events, ['ready'])
    await state.turn(24 * HOUR)
    t.equal(state.asked.length, 1, String(expiresAt))
  }
})

t.test('a timer that is late ends a session that is over', async t => {
  const state = await loggedIn(() => 'secret', HOUR)
  state.clock.stall(2 * HOUR)
  for (let i = 0; i < 3; i++) await state.turn(0)
  t.match(state.ends, [{ error: { code: 'LOGIN_FAILED' } }])
  t.not(state.ends[0]?.isFinal, true)
})

t.test('a server that does not know the session any more is asked once, with a pause', async t => {
  const state = await loggedIn(() => 'secret', HOUR)
  await state.turn(9_000)
  state.login.doubt()
  await state.turn(0)
  t.equal(state.asked.length, 0)
  await state.turn(1_001)
  for (let i = 0; i < 5; i++) state.login.doubt()
  await state.turn(0)
  t.equal(state.asked.length, 1)
  await state.asked[0]?.answer({ expiresAt: NOW + HOUR })
  t.same(state.events, ['renewed'])
  state.login.doubt()
  await state.turn(0)
  t.equal(state.asked.length, 1)
})

t.test('nothing is sent once it is stopped', async t => {
  const state = await loggedIn(() => 'secret', HOUR)
  state.login.stop()
  state.login.doubt()
  await state.turn(2 * HOUR)
  t.equal(state.asked.length, 0)
  const early = loggingIn(() => 'secret')
  early.login.stop()
  await early.turn(20_000)
  t.same(early.asked, [])
  t.same(early.events, [])
})
