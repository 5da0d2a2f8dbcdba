import t from 'tap'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import {
  EncodedJson, encodeError, encodeJson, encodeNotice, encodeQueryResult, encodeResult
} from '../../../lib/protocol/encode.js'
import { encodePush } from '../../../lib/protocol/live-messages.js'

t.test('Replies', async t => {
  t.equal(encodeResult(12, { deleted: true }), '{"id":12,"type":"result","data":{"deleted":true}}')
  t.equal(
    encodeResult(-1.5, undefined),
    '{"id":-1.5,"type":"result","data":null}',
    'undefined is sent as null'
  )
  t.equal(
    encodeResult(1, new EncodedJson('[1,2]')),
    '{"id":1,"type":"result","data":[1,2]}',
    'final text is not encoded again'
  )
  t.equal(encodeResult(1, [2], 30), '{"id":1,"type":"result","data":[2],"revision":30}')
  t.throws(() => encodeJson(1n), TypeError, 'what JSON cannot hold is refused')

  const error = new NoexServerError('ALREADY_EXISTS', 'taken', { bucket: 'b' })
  t.equal(
    encodeError(13, error, true),
    '{"id":13,"type":"error","code":"ALREADY_EXISTS","message":"taken","details":{"bucket":"b"}}'
  )
  t.equal(
    encodeError(13, error, false),
    '{"id":13,"type":"error","code":"ALREADY_EXISTS","message":"taken"}',
    'details can be hidden'
  )
  t.equal(
    encodeError(0, new NoexServerError('NOT_FOUND', 'gone'), true),
    '{"id":0,"type":"error","code":"NOT_FOUND","message":"gone"}'
  )
  t.equal(encodeError(1, new NoexServerError('RATE_LIMITED', 'slow', { retryAfterMs: 5 }), false),
    '{"id":1,"type":"error","code":"RATE_LIMITED","message":"slow","details":{"retryAfterMs":5}}',
    'hiding spares the time to wait')
})

t.test('Messages that answer no request', async t => {
  t.equal(
    encodePush('sub-4', '3'),
    '{"type":"push","channel":"subscription","subscriptionId":"sub-4","data":3}'
  )
  const bounds = { maxPayloadBytes: 8, idempotencyWindowMs: 7 }
  const facts = {
    serverTime: 5, requiresAuth: false, extensions: ['find'], heartbeatMs: 9, ...bounds
  } as const
  t.equal(encodeNotice({ type: 'welcome', version: '1.0.0', ...facts }),
    '{"type":"welcome","version":"1.0.0","serverTime":5,"requiresAuth":false,' +
    '"extensions":["find"],"heartbeatMs":9,"maxPayloadBytes":8,"idempotencyWindowMs":7}')
  t.equal(encodeNotice({ type: 'ping', timestamp: 5 }), '{"type":"ping","timestamp":5}')
})

t.test('Query results', async t => {
  const record = { id: 'a', _version: 1, _createdAt: 1, _updatedAt: 2 }
  const results: readonly unknown[] = [
    record,
    [record, record],
    [],
    [1, 'x', null],
    { a: 1 },
    3,
    'x',
    null,
    [[record]],
    [{ _version: 'x', _updatedAt: 1 }]
  ]
  for (const result of results) {
    t.equal(encodeQueryResult(result), JSON.stringify(result))
    t.equal(encodeQueryResult(result), JSON.stringify(result), 'also the second time')
  }
  t.equal(encodeQueryResult(undefined), 'null')
  t.equal(encodeQueryResult([undefined, record]), JSON.stringify([undefined, record]))
  const own = { a: 1 }
  encodeQueryResult([own])
  own.a = 2
  t.equal(encodeQueryResult([own]), '[{"a":2}]', 'an object that is no record may change')
})
