import t from 'tap'
import { CallQuota, CountedCall } from '../../../lib/limits/call-quota.js'
import { rejectionReasons } from '../../../lib/limits/rejections.js'
import { Counters } from '../../../lib/util/counters.js'

const of = (userId: string | undefined, addressKey = 'a', isUnauthenticated = false) =>
  ({ userId, addressKey, isUnauthenticated })

t.test('a user, and an address without one, has 256 requests at a time', async t => {
  const rejections = new Counters(rejectionReasons)
  const quota = new CallQuota(32_768, rejections)
  const taken = Array.from({ length: 256 }, () => quota.acquire(of('anna')) as CountedCall)
  t.match(quota.acquire(of('anna', 'b')), { code: 'RATE_LIMITED', details: { retryAfterMs: 1_000 } })
  t.ok(quota.acquire(of('bert')) instanceof CountedCall)
  t.ok(quota.acquire(of(undefined, 'anna')) instanceof CountedCall, 'an address named like a user')
  taken[0]?.release()
  taken[0]?.release()
  t.ok(quota.acquire(of('anna')) instanceof CountedCall)
  t.match(quota.acquire(of('anna')), { code: 'RATE_LIMITED' }, 'a release counts once')
  t.equal(rejections.all.calls, 2)
})

t.test('those that must log in have 64 MiB together', async t => {
  const quota = new CallQuota(32 * 1_024 * 1_024, new Counters(rejectionReasons))
  const first = quota.acquire(of(undefined, 'a', true)) as CountedCall
  t.ok(quota.acquire(of(undefined, 'b', true)) instanceof CountedCall)
  t.match(quota.acquire(of(undefined, 'c', true)), { code: 'RATE_LIMITED' })
  t.ok(quota.acquire(of('anna')) instanceof CountedCall)
  first.release()
  t.ok(quota.acquire(of(undefined, 'c', true)) instanceof CountedCall)
})

t.test('any number of addresses come and go, and one with requests is never forgotten', async t => {
  const quota = new CallQuota(32_768, new Counters(rejectionReasons))
  for (let i = 0; i < 256; i++) quota.acquire(of(undefined, 'busy'))
  for (let i = 0; i < 10_000; i++) (quota.acquire(of(undefined, `address ${i}`)) as CountedCall).release()
  t.match(quota.acquire(of(undefined, 'busy')), { code: 'RATE_LIMITED' })
})
