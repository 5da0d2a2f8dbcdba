import { PassThrough, Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { BodyFailure, RequestBody, type BodyResult } from '../../../routes/request-body.js'
import { DeadlineRing } from '../../../lib/util/deadline-ring.js'
import { FakeClock } from '../../support/fake-clock.js'

interface Read {
  readonly clock: FakeClock
  readonly results: BodyResult[]
}

function read (payload: Readable, maxBytes = 100, announced?: string): Read {
  const clock = new FakeClock()
  const results: BodyResult[] = []
  const deadlines = new DeadlineRing(15_000, clock)
  const onRead = (result: BodyResult): void => { results.push(result) }
  new RequestBody(payload, { maxBytes, deadlines, onRead }).read(announced)
  return { clock, results }
}

t.test('a body comes whole, in any number of parts', async t => {
  for (const parts of [[], ['a'], ['a', 'b'], ['a', 'b', 'c', 'd']]) {
    const chunks = parts.map(part => Buffer.from(part))
    const { results, clock } = read(Readable.from(chunks, { objectMode: false }))
    await setImmediate()
    t.same(results.map(String), [parts.join('')])
    clock.turn(60_000)
    t.equal(results.length, 1, 'the deadline has gone')
  }
  const texts = read(Readable.from(['ž', 'ž']))
  await setImmediate()
  t.equal(String(texts.results[0]), 'žž', 'a stream of the application may be one of texts')
})

t.test('a body that does not end in time is given up', async t => {
  const payload = new PassThrough()
  const { clock, results } = read(payload)
  payload.write('{"type":')
  await setImmediate()
  clock.turn(14_999)
  t.same(results, [])
  clock.turn(1)
  t.match(results, [{ statusCode: 408, error: { code: 'INVALID_REQUEST' } }])
  payload.end('"a"}')
  await setImmediate()
  t.equal(results.length, 1)
})

t.test('a body that is too long is given up at that byte, or before the first', async t => {
  const payload = new PassThrough()
  const { results } = read(payload, 4)
  payload.write('1234')
  await setImmediate()
  t.same(results, [])
  payload.write('5')
  await setImmediate()
  t.match(results, [{ statusCode: 413 }])
  payload.write('6'.repeat(100))
  await setImmediate()
  t.equal(results.length, 1)
  t.match(read(new PassThrough(), 4, '5').results, [{ statusCode: 413 }])
  t.same(read(new PassThrough(), 4, '4').results, [])
})

t.test('a body that breaks off is given up', async t => {
  const payload = new PassThrough()
  const { results } = read(payload)
  payload.write('{')
  payload.destroy(new Error('aborted'))
  await setImmediate()
  t.ok(results[0] instanceof BodyFailure)
  t.match(results, [{ statusCode: 400, error: { message: 'The request has ended early' } }])
})
