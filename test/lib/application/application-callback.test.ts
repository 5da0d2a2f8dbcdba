import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { ApplicationCallback, CallbackError } from '../../../lib/application/application-callback.js'
import { LogGuard } from '../../../lib/application/log-guard.js'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import type { Log } from '../../../lib/util/log.js'
import { FakeClock } from '../../support/fake-clock.js'

/** A function of the application under a name, with the log lines about it. */
function callback (call: (...args: unknown[]) => unknown) {
  const clock = new FakeClock()
  const logged: string[] = []
  const error = (details: object, message: string): void => {
    logged.push(`${(details as { err: Error }).err.message} | ${message}`)
  }
  const log: Log = { trace () {}, debug () {}, info () {}, warn () {}, error, child: () => log }
  return { clock, logged, called: new ApplicationCallback<unknown[]>('options.fn', call, { log, clock }) }
}

const silent: Log = { trace () {}, debug () {}, info () {}, warn () {}, error () {}, child: () => silent }

function number (value: unknown): number {
  if (typeof value !== 'number') throw new TypeError('a number is expected')
  return value
}

const said = 'options.fn has failed; further failures of this kind within a minute are not logged'

t.test('a valid answer is returned', async t => {
  const { called, logged, clock } = callback((a, b) => (a as number) + (b as number))
  t.equal(called.decide(number, 1, 2), 3)
  t.equal(await called.ask(10, number, 1, 2), 3)
  const later = callback(async value => value)
  t.equal(await later.called.ask(10, number, 7), 7)
  t.equal(later.clock.pending, 0, 'no deadline is left')
  t.same([logged, later.logged, clock.pending], [[], [], 0])
})

const wrong: ReadonlyArray<readonly [how: string, call: () => unknown, problem: string, asked?: string]> = [
  [
    'throws',
    () => {
      throw new Error('boom')
    },
    'options.fn has failed'
  ],
  [
    'throws nothing',
    () => {
      ;(function * () {})().throw(undefined)
    },
    'options.fn has failed'
  ],
  [
    'rejects',
    async () => await Promise.reject(new Error('boom')),
    'options.fn has answered wrongly: a number is expected',
    'options.fn has failed'
  ],
  [
    'answers a promise of something wrong',
    async () => 'x',
    'options.fn has answered wrongly: a number is expected'
  ],
  ['answers something wrong', () => 'x', 'options.fn has answered wrongly: a number is expected'],
  ['answers nothing', () => {}, 'options.fn has answered wrongly: a number is expected'],
  [
    'answers a thenable that throws',
    () => ({
      then () {
        throw new Error('boom')
      }
    }),
    'options.fn has answered wrongly: a number is expected',
    'options.fn has failed'
  ],
  [
    'answers what cannot be looked at',
    () => ({
      get then () {
        throw new Error('boom')
      }
    }),
    'options.fn has answered wrongly: a number is expected'
  ]
]
for (const [how, call, problem, asked = problem] of wrong) {
  t.test(`a function that ${how} is named, and ends nothing`, async t => {
    const sync = callback(call)
    t.throws(() => sync.called.decide(number), {
      name: 'CallbackError',
      message: problem,
      callback: 'options.fn'
    })
    t.same(sync.logged, [`${problem} | ${said}`])
    const async = callback(call)
    await t.rejects(async.called.ask(10, number), { name: 'CallbackError', message: asked })
    t.same(async.logged, [`${asked} | ${said}`])
    t.equal(async.clock.pending, 0)
    // A rejection that nothing handles would fail this test.
    await setImmediate()
  })
}

t.test('an error for the client passes, and is no failure', async t => {
  const error = new NoexServerError('RATE_LIMITED', 'later')
  const sync = callback(() => {
    throw error
  })
  t.throws(() => sync.called.decide(number), error)
  const async = callback(async () => await Promise.reject(error))
  await t.rejects(async.called.ask(10, number), error)
  t.same([sync.logged, async.logged], [[], []])
})

t.test(
  'a function that does not settle is given up after its time, and what it does later harms nothing',
  async t => {
    let fail!: (error: Error) => void
    const { called, clock, logged } = callback(
      async () =>
        await new Promise((_resolve, reject) => {
          fail = reject
        })
    )
    const asked = called.ask(1_000, number)
    asked.catch(() => {})
    clock.turn(999)
    await setImmediate()
    clock.turn(1)
    await t.rejects(asked, new CallbackError('options.fn', 'has not settled within 1000 ms'))
    fail(new Error('at last'))
    await setImmediate()
    t.match(logged, [/has not settled within 1000 ms/, /has failed/])
  }
)

t.test('an answer that cannot be read, and a logger that throws, refuse as well', async t => {
  const unreadable = callback(() => new Proxy({}, { get () { throw new Error('boom') } }))
  const member = (value: unknown): unknown => (value as { readonly userId: unknown }).userId
  const message = 'options.fn has answered wrongly: it cannot be read'
  t.throws(() => unreadable.called.decide(member), { message })
  const log = new LogGuard().wrap({ ...silent, error () { throw new Error('the disk is full') } })
  const clock = new FakeClock()
  const never = async (): Promise<unknown> => await new Promise(() => {})
  const called = new ApplicationCallback('options.fn', never, { log, clock })
  const asked = called.ask(10, number)
  clock.turn(10)
  await t.rejects(asked, { message: 'options.fn has not settled within 10 ms' })
})

t.test('an error that cannot be read is logged by what can be read of it', async t => {
  const nasty = Object.defineProperty(new Error('x'), 'message', { get () { throw new Error('no message') } })
  const logged: Array<{ readonly err: Error }> = []
  const log: Log = { ...silent, error (details) { logged.push(details as { readonly err: Error }) } }
  const called = new ApplicationCallback('options.fn', () => { throw nasty }, { log, clock: new FakeClock() })
  t.throws(() => called.decide(number), { message: 'options.fn has failed' })
  const cause = { message: 'an error without a text' }
  t.match(logged, [{ err: { message: 'options.fn has failed', cause } }])
})

t.test('each kind of failure is logged once a minute', async t => {
  let call = (): unknown => {
    throw new Error('boom')
  }
  const { called, clock, logged } = callback(() => call())
  const fail = (): void => {
    try {
      called.decide(number)
    } catch {}
  }
  for (let i = 0; i < 1_000; i++) fail()
  t.equal(logged.length, 1)
  call = () => 'x'
  for (let i = 0; i < 1_000; i++) fail()
  t.equal(logged.length, 2, 'another kind')
  clock.turn(59_999)
  fail()
  t.equal(logged.length, 2)
  clock.turn(1)
  fail()
  t.equal(logged.length, 3)
})
