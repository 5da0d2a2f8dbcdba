import fc from 'fast-check'
import t from 'tap'
import { AddressQuota, ConnectionQuota, type ConnectionLimits } from '../../../lib/limits/connection-quota.js'
import { rejectionReasons } from '../../../lib/limits/rejections.js'
import { Counters } from '../../../lib/util/counters.js'

const unlimited: ConnectionLimits = {
  maxConnections: Infinity,
  maxConnectionsPerUser: Infinity,
  maxUnauthenticatedConnections: Infinity
}

function start (limits: Partial<ConnectionLimits>, requiresAuth = true) {
  const rejections = new Counters(rejectionReasons)
  return {
    rejections,
    connectionQuota: new ConnectionQuota({ ...unlimited, ...limits }, requiresAuth, rejections)
  }
}

/** Returns how many more upgrades are accepted; their counts are taken back. */
function room (connectionQuota: ConnectionQuota, userId?: string): number {
  const places: Array<() => void> = []
  for (;;) {
    const place = connectionQuota.acquire(userId)
    if (typeof place !== 'function') break
    places.push(place)
  }
  for (const takeBack of places) takeBack()
  return places.length
}

t.test('an upgrade is refused with the status and the count of its limit', async t => {
  const { connectionQuota, rejections } = start({
    maxConnections: 3,
    maxConnectionsPerUser: 1,
    maxUnauthenticatedConnections: 1
  })
  t.type(connectionQuota.acquire('ann'), 'function')
  t.match(connectionQuota.acquire('ann'), { refused: 429 })
  t.type(connectionQuota.acquire(undefined), 'function')
  t.match(connectionQuota.acquire(undefined), { refused: 503, reason: /logged in/ })
  t.type(connectionQuota.acquire('bob'), 'function')
  t.match(connectionQuota.acquire('eve'), { refused: 503, reason: /too many connections/ })
  t.same(
    ['connections_per_user', 'unauthenticated_connections', 'connections'].map(limit =>
      rejections.of(limit as 'connections')
    ),
    [1, 1, 1]
  )
})

t.test('unauthenticated connections are not counted where no client has to log in', async t => {
  const { connectionQuota } = start({ maxConnections: 5, maxUnauthenticatedConnections: 1 }, false)
  t.equal(room(connectionQuota), 5)
})

t.test('a login that is one too many changes nothing', async t => {
  const { connectionQuota, rejections } = start({
    maxConnections: 9,
    maxConnectionsPerUser: 1,
    maxUnauthenticatedConnections: 2
  })
  connectionQuota.acquire('ann')
  connectionQuota.acquire(undefined)
  t.throws(() => { connectionQuota.change(undefined, 'ann') }, { code: 'RATE_LIMITED' })
  t.equal(rejections.of('connections_per_user'), 1)
  t.equal(room(connectionQuota), 1, 'the connection is still not logged in')
  connectionQuota.change('ann', 'ann')
  connectionQuota.change(undefined, 'bob')
  t.equal(room(connectionQuota, 'bob'), 0)
  t.equal(room(connectionQuota), 2)
})

interface Walker {
  readonly takeBack: () => void
  userId: string | undefined
  state: 'entered' | 'open' | 'stopped' | 'gone'
}

t.test('with any sequence of calls, exactly the limits hold, and in the end nothing is counted', async () => {
  const limits = { maxConnections: 8, maxConnectionsPerUser: 2, maxUnauthenticatedConnections: 3 }
  const user = fc.constantFrom(undefined, 'ann', 'bob')
  const step = fc.record({
    what: fc.constantFrom('enter', 'takeBack', 'open', 'change', 'stop', 'leave'),
    which: fc.nat(20),
    user
  })
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), steps => {
    const { connectionQuota } = start(limits)
    const walkers: Walker[] = []
    const counted = (matches: (walker: Walker) => boolean): number => walkers.filter(matches).length
    const isWho =
      (userId: string | undefined) =>
        (walker: Walker): boolean =>
          walker.userId === userId && (walker.state === 'entered' || walker.state === 'open')
    for (const { what, which, user } of steps) {
      const walker = walkers[which % Math.max(1, walkers.length)]
      if (what === 'enter') {
        const fits =
          counted(({ state }) => state !== 'gone') < 8 && counted(isWho(user)) < (user === undefined ? 3 : 2)
        const place = connectionQuota.acquire(user)
        if ((typeof place === 'function') !== fits) return false
        if (typeof place === 'function') walkers.push({ takeBack: place, userId: user, state: 'entered' })
      } else if (walker === undefined) {
        continue
      } else if (what === 'takeBack' && walker.state === 'entered') {
        walker.takeBack()
        walker.takeBack()
        walker.state = 'gone'
      } else if (what === 'open' && walker.state === 'entered') {
        walker.state = 'open'
      } else if (what === 'change' && walker.state === 'open') {
        const fits = user === undefined || user === walker.userId || counted(isWho(user)) < 2
        try {
          connectionQuota.change(walker.userId, user)
          if (!fits) return false
          walker.userId = user
        } catch {
          if (fits) return false
        }
      } else if (what === 'stop' && walker.state === 'open') {
        connectionQuota.stop(walker.userId)
        walker.state = 'stopped'
      } else if (what === 'leave' && walker.state === 'stopped') {
        connectionQuota.release()
        walker.state = 'gone'
      }
    }
    for (const walker of walkers) {
      if (walker.state === 'entered') walker.takeBack()
      if (walker.state === 'open') connectionQuota.stop(walker.userId)
      if (walker.state === 'open' || walker.state === 'stopped') connectionQuota.release()
    }
    return room(connectionQuota, 'ann') === 2 && room(connectionQuota) === 3
  }), { numRuns: 500 })
})

t.test('an address has no more connections than its quota, and one more is counted as rejected', async t => {
  const rejections = new Counters(rejectionReasons)
  const quota = new AddressQuota(2, rejections)
  t.same([1, 2, 3].map(() => quota.acquire('a')), [true, true, false])
  t.equal(rejections.of('connections_per_ip'), 1)
  t.ok(quota.acquire('b'), 'another address has its own')
  quota.release('a')
  t.ok(quota.acquire('a'))
  t.notOk(quota.acquire('a'))
  t.equal(rejections.of('connections_per_ip'), 2)
})
