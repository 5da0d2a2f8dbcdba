import t from 'tap'
import { ErrorCode, httpStatuses, NoexServerError } from '../../../lib/protocol/errors.js'

t.test('each code has a status of HTTP that says whose fault it is', async t => {
  for (const code of Object.values(ErrorCode)) {
    const { statusCode } = new NoexServerError(code, 'a')
    t.equal(statusCode, httpStatuses[code])
    t.ok(statusCode >= 400 && statusCode < 600, code)
  }
})

t.test('what is not available at the moment has 503, unless it was done', async t => {
  const statusOf = (details: unknown): number =>
    new NoexServerError('INTERNAL_ERROR', 'a', details).statusCode
  t.equal(statusOf({ reason: 'store_unavailable' }), 503)
  t.equal(statusOf({ reason: 'audit_unavailable', applied: true }), 500)
  for (const details of [undefined, null, 'reason', 7, {}, { reason: 7 }]) t.equal(statusOf(details), 500)
  t.equal(new NoexServerError('FORBIDDEN', 'a', { reason: 'mine' }).statusCode, 403)
})

t.test('the headers say when to come back, and how to log in', async t => {
  const headersOf = (retryAfterMs: unknown) =>
    new NoexServerError('RATE_LIMITED', 'a', { retryAfterMs }).headers
  t.same(headersOf(1_001), { 'retry-after': '2' })
  t.same(headersOf(0), { 'retry-after': '1' })
  t.equal(headersOf('1000'), undefined)
  t.equal(new NoexServerError('RATE_LIMITED', 'a').headers, undefined)
  t.same(new NoexServerError('UNAUTHORIZED', 'a').headers, { 'www-authenticate': 'Bearer' })
  t.equal(new NoexServerError('NOT_FOUND', 'a', null).headers, undefined)
})
