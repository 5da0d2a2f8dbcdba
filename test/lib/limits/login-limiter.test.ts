import fc from 'fast-check'
import t, { type Test } from 'tap'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import { rejectionReasons } from '../../../lib/limits/rejections.js'
import { Counters } from '../../../lib/util/counters.js'
import { LoginLimiter, type Attempt, type LoginLimits } from '../../../lib/limits/login-limiter.js'
import { FakeClock } from '../../support/fake-clock.js'
import { sampled } from '../../support/sampled.js'

const WINDOW_MS = 900_000

function start (limits: Partial<LoginLimits> = {}) {
  const clock = new FakeClock()
  const rejections = new Counters(rejectionReasons)
  return {
    clock,
    limiter: new LoginLimiter({ maxAttempts: 5, windowMs: WINDOW_MS, ...limits }, clock, rejections),
    rejections
  }
}

/**
 * Returns the `retryAfterMs` of a refusal; `undefined` when the attempt is made, which fails unless `then` is
 * set.
 */
function retryAfterMs (
  begin: () => Attempt,
  then: (attempt: Attempt) => void = () => {}
): number | undefined {
  let attempt: Attempt
  try {
    attempt = begin()
  } catch (error) {
    if (!(error instanceof NoexServerError) || error.code !== 'RATE_LIMITED') throw error
    return (error.details as { retryAfterMs: number }).retryAfterMs
  }
  then(attempt)
  return undefined
}

/** Begins `times` attempts before any of them has a result, and returns those that are not refused. */
function begun (times: number, begin: (i: number) => Attempt): Attempt[] {
  const attempts: Attempt[] = []
  for (let i = 0; i < times; i++) retryAfterMs(() => begin(i), attempt => { attempts.push(attempt) })
  return attempts
}

/** How many of `times` attempts are evaluated; all of them fail. */
function evaluated (times: number, begin: (i: number) => Attempt): number {
  return begun(times, begin).length
}

const succeed = (attempt: Attempt): void => { attempt.succeeded() }
const cancel = (attempt: Attempt): void => { attempt.cancelled() }

/** A user with the right password gets in. */
function getsIn (t: Test, limiter: LoginLimiter, username: string, address: string, message: string): void {
  t.equal(retryAfterMs(() => limiter.attemptLogin(username, address), succeed), undefined, message)
}

/** Uses up the attempts of all addresses together, from some and on accounts that no test names. */
function flood (limiter: LoginLimiter, maxAttempts: number): void {
  evaluated(40 * maxAttempts, i => limiter.attemptLogin(`flooded-${i}`, `botnet-${i % 40}`))
}

t.test('an account', t => {
  t.test('has maxAttempts in a window, and is refused the right password too after that', async t => {
    const { clock, limiter, rejections } = start()
    t.equal(evaluated(10, i => limiter.attemptLogin('anna', `address-${i}`)), 5)
    t.equal(rejections.of('login_attempts'), 5, 'the others are counted as refused')
    t.throws(() => limiter.attemptLogin('anna', 'her own address'), {
      code: 'RATE_LIMITED',
      details: { retryAfterMs: WINDOW_MS }
    })
    clock.turn(WINDOW_MS - 1)
    t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'home')), 1)
    clock.turn(1)
    getsIn(t, limiter, 'anna', 'home', 'when the window is over')
  })

  t.test('[G-B16] has no more when all of them are made at the same time', async t => {
    const { limiter } = start()
    const attempts = begun(30, i => limiter.attemptLogin('anna', `address-${i}`))
    t.equal(attempts.length, 5)
    attempts.at(-1)?.succeeded()
    t.equal(evaluated(10, () => limiter.attemptLogin('anna', 'home')), 5, 'when one of them was right')
  })

  t.test('has all of them again after a success', async t => {
    const { limiter } = start()
    t.equal(evaluated(4, () => limiter.attemptLogin('anna', 'home')), 4)
    getsIn(t, limiter, 'anna', 'home', 'with the last one')
    t.equal(evaluated(10, () => limiter.attemptLogin('anna', 'home')), 5)
  })

  t.test('has lost nothing by what was not evaluated', async t => {
    const { limiter } = start()
    for (let i = 0; i < 100; i++) {
      t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'home'), cancel), undefined)
    }
    t.equal(limiter.size, 0)
    t.equal(evaluated(10, () => limiter.attemptLogin('anna', 'home')), 5)
  })

  t.test('is told apart by case, by any length of name, and from addresses', async t => {
    const { limiter } = start()
    const long = 'a'.repeat(10_240)
    for (const name of ['anna', 'Anna', `${long}1`, `${long}2`, '__proto__', '127.0.0.1']) {
      t.equal(evaluated(10, () => limiter.attemptLogin(name, '127.0.0.1')), 5, name.slice(0, 20))
      t.equal(evaluated(10, () => limiter.attemptLogin(name, '127.0.0.1')), 0, name.slice(0, 20))
    }
    t.equal(evaluated(10, () => limiter.attemptSecret('127.0.0.1')), 5)
  })

  t.test('[G-B22] counts wrong current passwords like logins', async t => {
    const { limiter } = start()
    t.equal(evaluated(3, () => limiter.attemptPassword('anna')), 3)
    t.equal(evaluated(10, () => limiter.attemptLogin('anna', 'home')), 2)
    t.throws(() => limiter.attemptPassword('anna'), {
      code: 'RATE_LIMITED',
      details: { retryAfterMs: WINDOW_MS }
    })
    t.equal(retryAfterMs(() => limiter.attemptPassword('berta'), cancel), undefined)
    t.equal(evaluated(4, () => limiter.attemptPassword('berta')), 4)
    t.equal(retryAfterMs(() => limiter.attemptPassword('berta'), succeed), undefined)
    t.equal(evaluated(10, () => limiter.attemptPassword('berta')), 5)
  })
  t.end()
})

t.test('an address', t => {
  t.test('[G-B17] does not lock a user out by failures on other accounts', async t => {
    const { limiter } = start()
    t.equal(evaluated(49, i => limiter.attemptLogin(`guess-${i}`, 'proxy')), 49)
    getsIn(t, limiter, 'anna', 'proxy', 'after 49 failures')
  })

  t.test('[G-B17] failures on accounts do not lock the secret, nor the other way round', async t => {
    const { limiter } = start()
    t.equal(evaluated(100, i => limiter.attemptLogin(`guess-${i}`, 'proxy')), 50)
    t.equal(evaluated(10, () => limiter.attemptSecret('proxy')), 5)
    t.equal(evaluated(10, () => limiter.attemptSecret('other')), 5)
    getsIn(t, limiter, 'anna', 'other', 'where the secret is locked')
  })

  t.test('has ten times as many as an account, and is refused the right password too after that', async t => {
    const { clock, limiter } = start()
    t.equal(evaluated(30, i => limiter.attemptLogin(`guess-${i}`, 'villain')), 30)
    clock.turn(1_000)
    t.equal(evaluated(30, i => limiter.attemptLogin(`more-${i}`, 'villain')), 20)
    t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'villain')), WINDOW_MS - 1_000)
    getsIn(
      t,
      limiter,
      'anna',
      'home',
      'from another address, as the refused attempt is not counted on the account'
    )
    clock.turn(WINDOW_MS - 1_001)
    t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'villain')), 1)
    clock.turn(1)
    t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'villain')), undefined)
  })

  t.test('[G-B16] has no more when all of them are made at the same time', async t => {
    const { limiter } = start()
    const attempts = begun(200, i => limiter.attemptLogin(`guess-${i}`, 'villain'))
    t.equal(attempts.length, 50)
    attempts.forEach(cancel)
    t.equal(evaluated(100, i => limiter.attemptLogin(`guess-${i}`, 'villain')), 50)
  })

  t.test('is never refused while it logs in with success', async t => {
    const { limiter } = start()
    for (let i = 0; i < 1_000; i++) getsIn(t, limiter, `user-${i % 3}`, 'office', `login ${i}`)
    t.equal(evaluated(100, i => limiter.attemptLogin(`guess-${i}`, 'office')), 50)
  })

  t.test('does not get failures back by successes on other accounts', async t => {
    const { limiter } = start()
    let failures = 0
    for (let i = 0; i < 200; i++) {
      failures += evaluated(1, () => limiter.attemptLogin(`guess-${i}`, 'villain'))
      retryAfterMs(() => limiter.attemptLogin('of the villain', 'villain'), succeed)
    }
    t.equal(failures, 50)
  })

  t.test('is not charged for attempts that the account refuses', async t => {
    const { limiter } = start()
    t.equal(evaluated(1_000, () => limiter.attemptLogin('anna', 'office')), 5)
    t.equal(evaluated(100, i => limiter.attemptLogin(`guess-${i}`, 'office')), 45)
  })

  t.test('tells the time after which both the account and the address allow it', async t => {
    const { clock, limiter } = start()
    t.equal(evaluated(50, i => limiter.attemptLogin(`guess-${i}`, 'villain')), 50)
    clock.turn(1_000)
    t.equal(evaluated(5, i => limiter.attemptLogin('anna', `other-${i}`)), 5)
    t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'villain')), WINDOW_MS)
    t.equal(retryAfterMs(() => limiter.attemptLogin('berta', 'villain')), WINDOW_MS - 1_000)
  })
  t.end()
})

t.test('the admin secret', t => {
  t.test('can be tried maxAttempts times from an address', async t => {
    const { clock, limiter } = start()
    t.equal(evaluated(30, () => limiter.attemptSecret('home')), 5)
    t.throws(() => limiter.attemptSecret('home'), {
      code: 'RATE_LIMITED',
      details: { retryAfterMs: WINDOW_MS }
    })
    t.equal(retryAfterMs(() => limiter.attemptSecret('office'), succeed), undefined, 'another one')
    clock.turn(WINDOW_MS)
    t.equal(retryAfterMs(() => limiter.attemptSecret('home')), undefined)
  })

  t.test('has all of them again after a success', async t => {
    const { limiter } = start()
    t.equal(evaluated(4, () => limiter.attemptSecret('home')), 4)
    t.equal(retryAfterMs(() => limiter.attemptSecret('home'), cancel), undefined)
    t.equal(retryAfterMs(() => limiter.attemptSecret('home'), succeed), undefined)
    t.equal(evaluated(10, () => limiter.attemptSecret('home')), 5)
  })
  t.end()
})

t.test('all addresses together', t => {
  t.test('lock out no user: after forty times maxAttempts, an address has as many as an account', async t => {
    const { clock, limiter } = start()
    t.equal(evaluated(40, i => limiter.attemptLogin(`guess-${i}`, 'villain')), 40)
    flood(limiter, 5)
    t.equal(evaluated(10, i => limiter.attemptLogin(`more-${i}`, 'villain')), 0)
    t.equal(evaluated(10, i => limiter.attemptLogin(`guess-${i}`, 'fresh')), 5)
    t.equal(evaluated(4, i => limiter.attemptLogin(`typo-${i}`, 'home')), 4)
    getsIn(t, limiter, 'anna', 'home', 'at an address with few failures')
    t.equal(evaluated(10, () => limiter.attemptSecret('villain')), 5, 'the secret has its own limit')
    clock.turn(WINDOW_MS)
    t.equal(evaluated(100, i => limiter.attemptLogin(`guess-${i}`, 'fresh')), 50, 'until the window is over')
  })

  t.test('have exactly forty times maxAttempts', async t => {
    const { limiter } = start()
    t.equal(evaluated(5, i => limiter.attemptLogin(`guess-${i}`, 'villain')), 5)
    t.equal(evaluated(194, i => limiter.attemptLogin(`other-${i}`, `address-${i}`)), 194)
    t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'villain')), undefined, 'the 200th')
    t.equal(retryAfterMs(() => limiter.attemptLogin('anna', 'villain')), WINDOW_MS)
  })

  t.test('are not charged for successes, cancelled and refused attempts', async t => {
    const { limiter } = start()
    for (let i = 0; i < 500; i++) {
      retryAfterMs(() => limiter.attemptLogin(`user-${i}`, `address-${i}`), succeed)
      retryAfterMs(() => limiter.attemptLogin(`user-${i}`, `address-${i}`), cancel)
      retryAfterMs(() => limiter.attemptLogin('locked', `address-${i}`))
      retryAfterMs(() => limiter.attemptPassword(`user-${i}`))
      retryAfterMs(() => limiter.attemptSecret(`address-${i}`))
    }
    t.equal(evaluated(100, i => limiter.attemptLogin(`guess-${i}`, 'villain')), 50)
  })

  t.test('get nothing back for attempts that came when all were used up', async t => {
    const { limiter } = start()
    flood(limiter, 5)
    for (let i = 0; i < 500; i++) getsIn(t, limiter, `user-${i}`, `address-${i}`, 'a success')
    t.equal(evaluated(100, i => limiter.attemptLogin(`guess-${i}`, 'villain')), 5)
  })

  t.test('cannot lock out a user whose account and address no other client has used', async t => {
    const some = (name: string) => fc.nat(60).map(i => `${name}-${i}`)
    const act = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constantFrom('login' as const, 'login' as const, 'password' as const, 'secret' as const),
          username: some('user'),
          address: some('address'),
          end: fc.constantFrom('fail', 'fail', 'fail', 'succeed', 'cancel', 'succeed late', 'cancel late')
        })
      },
      { weight: 1, arbitrary: fc.constant('flood' as const) },
      { weight: 1, arbitrary: fc.record({ turn: fc.nat(WINDOW_MS / 2) }) }
    )
    const seen = { refused: 0, squeezed: 0 }
    const cases = [fc.integer({ min: 1, max: 3 }), fc.array(act, { size: 'max', maxLength: 200 })] as const
    fc.assert(fc.property(...cases, (maxAttempts, acts) => {
      const { clock, limiter } = start({ maxAttempts })
      const late: Array<() => void> = []
      const ends: Record<string, (attempt: Attempt) => void> = {
        fail () {},
        succeed,
        cancel,
        'cancel late': attempt => { late.push(attempt.cancelled) },
        'succeed late': attempt => { late.push(attempt.succeeded) }
      }
      const kinds = {
        login: (username: string, address: string) => limiter.attemptLogin(username, address),
        password: (username: string) => limiter.attemptPassword(username),
        secret: (_username: string, address: string) => limiter.attemptSecret(address)
      }
      for (const act of acts) {
        if (act === 'flood') {
          flood(limiter, maxAttempts)
        } else if ('turn' in act) {
          clock.turn(act.turn)
          for (const end of late.splice(0)) end()
        } else if (
          retryAfterMs(() => kinds[act.kind](act.username, act.address), ends[act.end]) !== undefined
        ) {
          seen.refused++
        }
      }
      if (evaluated(20 * maxAttempts, i => limiter.attemptLogin(`guess-${i}`, 'villain')) === maxAttempts) {
        seen.squeezed++
      }
      return retryAfterMs(() => limiter.attemptLogin('anna', 'home'), succeed) === undefined &&
        retryAfterMs(() => limiter.attemptSecret('home'), succeed) === undefined
    }), { numRuns: sampled(300) })
    t.ok(seen.refused > sampled(100) && seen.squeezed > sampled(50), JSON.stringify(seen))
  })
  t.end()
})

t.test('[G-B18] memory is bounded for any number of user names and addresses', async t => {
  const { clock, limiter } = start()
  let most = 0
  for (let i = 0; i < 250_000; i++) {
    limiter.attemptLogin(`user-${i}`, `address-${i}`)
    most = Math.max(most, limiter.size)
  }
  t.equal(most, 2 * 65_536)
  getsIn(t, limiter, 'anna', 'home', 'a user')
  clock.turn(WINDOW_MS)
  for (let i = 0; i < 65_536; i++) limiter.attemptLogin(`user-${i}`, `address-${i}`).succeeded()
  t.equal(limiter.size, 0, 'and given free when the window is over')
})
