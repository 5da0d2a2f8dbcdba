import fc from 'fast-check'
import t from 'tap'
import { ConnectionQuota, type ConnectionLimits } from '../../lib/limits/connection-quota.js'
import { Refusals } from '../../lib/limits/refusals.js'

const unlimited: ConnectionLimits = { maxConnections: Infinity, maxConnectionsPerUser: Infinity, maxUnauthenticatedConnections: Infinity }

function start (limits: Partial<ConnectionLimits>, requiresAuth = true) {
  const refusals = new Refusals()
  return { refusals, quota: new ConnectionQuota({ ...unlimited, ...limits }, requiresAuth, refusals) }
}

/** How many more upgrades are let in; they give their places back. */
function room (quota: ConnectionQuota, userId?: string): number {
  const places: Array<() => void> = []
  for (;;) {
    const place = quota.enter(userId)
    if (typeof place !== 'function') break
    places.push(place)
  }
  for (const giveBack of places) giveBack()
  return places.length
}

t.test('an upgrade is refused with the status and the count of its limit', async t => {
  const { quota, refusals } = start({ maxConnections: 3, maxConnectionsPerUser: 1, maxUnauthenticatedConnections: 1 })
  t.type(quota.enter('ann'), 'function')
  t.match(quota.enter('ann'), { refused: 429 })
  t.type(quota.enter(undefined), 'function')
  t.match(quota.enter(undefined), { refused: 503, reason: /logged in/ })
  t.type(quota.enter('bob'), 'function')
  t.match(quota.enter('eve'), { refused: 503, reason: /too many connections/ })
  t.same(['connections_per_user', 'unauthenticated_connections', 'connections'].map(limit => refusals.of(limit as 'connections')), [1, 1, 1])
})

t.test('strangers are not counted where nobody has to log in', async t => {
  const { quota } = start({ maxConnections: 5, maxUnauthenticatedConnections: 1 }, false)
  t.equal(room(quota), 5)
})

t.test('a login that is one too many changes nothing', async t => {
  const { quota, refusals } = start({ maxConnections: 9, maxConnectionsPerUser: 1, maxUnauthenticatedConnections: 2 })
  quota.enter('ann')
  quota.enter(undefined)
  t.throws(() => { quota.change(undefined, 'ann') }, { code: 'RATE_LIMITED' })
  t.equal(refusals.of('connections_per_user'), 1)
  t.equal(room(quota), 1, 'it is still a stranger')
  quota.change('ann', 'ann')
  quota.change(undefined, 'bob')
  t.equal(room(quota, 'bob'), 0)
  t.equal(room(quota), 2)
})

interface Walker {
  readonly giveBack: () => void
  userId: string | undefined
  state: 'entered' | 'open' | 'stopped' | 'gone'
}

t.test('whatever connections do, exactly the limits hold, and in the end nothing is counted', async () => {
  const limits = { maxConnections: 8, maxConnectionsPerUser: 2, maxUnauthenticatedConnections: 3 }
  const user = fc.constantFrom(undefined, 'ann', 'bob')
  const step = fc.record({ what: fc.constantFrom('enter', 'giveBack', 'open', 'change', 'stop', 'leave'), which: fc.nat(20), user })
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), steps => {
    const { quota } = start(limits)
    const walkers: Walker[] = []
    const counted = (matches: (walker: Walker) => boolean): number => walkers.filter(matches).length
    const isWho = (userId: string | undefined) => (walker: Walker): boolean => walker.userId === userId && (walker.state === 'entered' || walker.state === 'open')
    for (const { what, which, user } of steps) {
      const walker = walkers[which % Math.max(1, walkers.length)]
      if (what === 'enter') {
        const fits = counted(({ state }) => state !== 'gone') < 8 && counted(isWho(user)) < (user === undefined ? 3 : 2)
        const place = quota.enter(user)
        if ((typeof place === 'function') !== fits) return false
        if (typeof place === 'function') walkers.push({ giveBack: place, userId: user, state: 'entered' })
      } else if (walker === undefined) {
        continue
      } else if (what === 'giveBack' && walker.state === 'entered') {
        walker.giveBack()
        walker.giveBack()
        walker.state = 'gone'
      } else if (what === 'open' && walker.state === 'entered') {
        walker.state = 'open'
      } else if (what === 'change' && walker.state === 'open') {
        const fits = user === undefined || user === walker.userId || counted(isWho(user)) < 2
        try {
          quota.change(walker.userId, user)
          if (!fits) return false
          walker.userId = user
        } catch {
          if (fits) return false
        }
      } else if (what === 'stop' && walker.state === 'open') {
        quota.stop(walker.userId)
        walker.state = 'stopped'
      } else if (what === 'leave' && walker.state === 'stopped') {
        quota.leave()
        walker.state = 'gone'
      }
    }
    for (const walker of walkers) {
      if (walker.state === 'entered') walker.giveBack()
      if (walker.state === 'open') quota.stop(walker.userId)
      if (walker.state === 'open' || walker.state === 'stopped') quota.leave()
    }
    return room(quota, 'ann') === 2 && room(quota) === 3
  }), { numRuns: 500 })
})
