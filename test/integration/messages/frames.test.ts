import t from 'tap'
import { assertQuiet, TestClient, type Frame } from '../../support/client.js'
import { serve } from '../../support/service.js'

t.test('The welcome is the first frame and has its members in order', async t => {
  const { url } = await serve(t)
  const before = Date.now()
  const client = TestClient.raw(t, `${url}/`)
  const welcome = await client.next()
  t.same(Object.keys(welcome), [
    'type', 'version', 'serverTime', 'requiresAuth', 'extensions', 'heartbeatMs', 'maxPayloadBytes',
    'idempotencyWindowMs'
  ])
  t.match(welcome, { type: 'welcome', version: '1.0.0', requiresAuth: false, heartbeatMs: 30_000 })
  t.match(welcome, { maxPayloadBytes: 1_048_576, idempotencyWindowMs: 600_000 })
  t.same(welcome['extensions'], ['delta', 'find', 'page', 'idempotency', 'ping', 'revision', 'session'])
  t.ok(welcome['serverTime'] >= before && welcome['serverTime'] <= Date.now(), 'the time is the server\'s')
  await assertQuiet(t, client)
})

t.test('A frame that is no request is answered and leaves the connection open', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const deep = (levels: number) =>
    `{"id":9,"type":"store.buckets","v":${'['.repeat(levels)}${']'.repeat(levels)}}`
  const table: ReadonlyArray<readonly [frame: string, id: number, code: string]> = [
    ['', 0, 'PARSE_ERROR'],
    ['hello', 0, 'PARSE_ERROR'],
    ['{"id":9,"type":"store.buckets"', 0, 'PARSE_ERROR'],
    ['[]', 0, 'PARSE_ERROR'],
    ['null', 0, 'PARSE_ERROR'],
    ['5', 0, 'PARSE_ERROR'],
    ['"x"', 0, 'PARSE_ERROR'],
    ['true', 0, 'PARSE_ERROR'],
    [deep(32), 9, 'VALIDATION_ERROR'],
    [deep(10_000), 9, 'VALIDATION_ERROR'],
    ['{}', 0, 'INVALID_REQUEST'],
    ['{"id":9}', 0, 'INVALID_REQUEST'],
    ['{"id":9,"type":5}', 0, 'INVALID_REQUEST'],
    ['{"id":9,"type":""}', 0, 'INVALID_REQUEST'],
    ['{"id":9,"type":"pong"}', 0, 'INVALID_REQUEST'],
    ['{"id":9,"type":"pong","timestamp":"x"}', 0, 'INVALID_REQUEST'],
    ['{"type":"store.buckets"}', 0, 'INVALID_REQUEST'],
    ['{"id":null,"type":"store.buckets"}', 0, 'INVALID_REQUEST'],
    ['{"id":"9","type":"store.buckets"}', 0, 'INVALID_REQUEST'],
    ['{"id":1e999,"type":"store.buckets"}', 0, 'INVALID_REQUEST'],
    ['{"id":9,"type":"store.insert","bucket":"items","data":{"__proto__":{}}}', 9, 'VALIDATION_ERROR'],
    ['{"id":9,"type":"store.insert","bucket":"items","data":{"n":1e400}}', 9, 'VALIDATION_ERROR'],
    ['{"id":9,"type":"store.insert","bucket":"items","data":{"name":"\\ud800"}}', 9, 'VALIDATION_ERROR'],
    ['{"id":9,"type":"store.insert","bucket":"items","data":{"n":9007199254740993}}', 9, 'VALIDATION_ERROR'],
    ['{"id":9,"type":"store.get","bucket":"items","key":9007199254740993}', 9, 'VALIDATION_ERROR'],
    ['{"id":9007199254740993,"type":"store.buckets"}', 0, 'INVALID_REQUEST']
  ]
  for (const [frame, id, code] of table) {
    client.send(frame)
    const reply = await client.next()
    t.match(reply, { id, type: 'error', code, message: String }, frame.slice(0, 60))
    t.same(Object.keys(reply), ['id', 'type', 'code', 'message'])
    await assertQuiet(t, client)
  }
  t.equal((await client.ask('store.stats')).records.total, 0, 'nothing was stored')
})

t.test('The deepest frame that is accepted has 32 levels', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  client.send(`{"id":9,"type":"store.buckets","v":${'['.repeat(31)}${']'.repeat(31)}}`)
  t.match(await client.next(), { id: 9, type: 'result' })
})

t.test('Ids of any value in the safe range are echoed, and no others', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  for (const id of [0, -1, 1.5, 2 ** 53 - 1, 1e-7]) {
    client.send({ id, type: 'store.buckets' })
    t.match(await client.next(), { id, type: 'result' })
    client.send({ id, type: 'nope' })
    t.match(await client.next(), { id, type: 'error' })
  }
  for (const id of ['9007199254740993', '9007199254740993.0', '9007199254740993e0', '-1e21']) {
    client.send(`{"id":${id},"type":"store.buckets"}`)
    t.match(await client.next(), { id: 0, code: 'INVALID_REQUEST', message: /^id: / }, id)
  }
  client.send({ id: 5, type: 'store.buckets' })
  client.send({ id: 5, type: 'store.buckets' })
  t.equal((await client.next())['id'], 5)
  t.equal((await client.next())['id'], 5, 'the same id may be used twice')
})

t.test('A pong is never answered', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  client.send({ type: 'pong', timestamp: 1 })
  client.send({ type: 'pong', timestamp: -1.5, id: 'x' })
  client.send({ type: 'pong', timestamp: 2, id: 3 })
  await assertQuiet(t, client)
})

t.test('Pipelined requests of every kind are answered in order, each once', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const requests: ReadonlyArray<readonly [fields: object | string, expected: object]> = [
    [
      {
        id: 1,
        type: 'store.defineBucket',
        name: 'b',
        config: { key: 'id', schema: { id: { type: 'string' } } }
      },
      { id: 1, type: 'result', data: { created: true } }
    ],
    [
      { id: 2, type: 'store.insert', bucket: 'b', data: { id: 'a' } },
      { id: 2, data: { id: 'a', _version: 1 } }
    ],
    [{ id: 3, type: 'store.get', bucket: 'b', key: 'a' }, { id: 3, data: { id: 'a' } }],
    [{ id: 4, type: 'nope' }, { id: 4, code: 'UNKNOWN_OPERATION' }],
    ['{', { id: 0, code: 'PARSE_ERROR' }],
    [
      { id: 6, type: 'store.update', bucket: 'b', key: 'a', data: { n: 1 } },
      { id: 6, data: { n: 1, _version: 2 } }
    ],
    [{ id: 7, type: 'store.insert', bucket: 'b', data: { id: 'a' } }, { id: 7, code: 'ALREADY_EXISTS' }],
    [
      { id: 8, type: 'store.transaction', operations: [{ op: 'delete', bucket: 'b', key: 'a' }] },
      { id: 8, data: { results: [{ index: 0, data: { deleted: true } }] } }
    ],
    [{ id: 9, type: 'store.count', bucket: 'b' }, { id: 9, data: 0 }],
    [{ id: 10, type: 'store.dropBucket', name: 'b' }, { id: 10, data: { dropped: true } }],
    [{ id: 11, type: 'store.all', bucket: 'b' }, { id: 11, code: 'BUCKET_NOT_DEFINED' }]
  ]
  for (const [fields] of requests) client.send(fields)
  for (const [, expected] of requests) t.match(await client.next(), expected)
  await assertQuiet(t, client)
})

t.test('Requests that follow a pong or a broken frame in one packet are handled', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  for (let id = 1; id <= 1000; id++) {
    client.send(
      id % 3 === 0 ? { type: 'pong', timestamp: id } : id % 3 === 1 ? '[' : { id, type: 'store.buckets' }
    )
  }
  const replies: Frame[] = []
  for (let id = 1; id <= 1000; id++) if (id % 3 !== 0) replies.push(await client.next())
  t.same(
    replies.map(reply => reply['id']),
    Array.from({ length: 1000 }, (_, i) => i + 1)
      .filter(id => id % 3 !== 0)
      .map(id => (id % 3 === 1 ? 0 : id))
  )
})

t.test('A binary frame closes the connection, and what follows it is not executed', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  client.ws.send(Buffer.from('{"id":1,"type":"store.buckets"}'))
  client.send({ id: 2, type: 'store.insert', bucket: 'items', data: {} })
  t.same(await client.closed, { code: 1003, reason: 'binary_not_supported' })
  t.same(client.waiting, [], 'there is no reply')
  t.equal(await store.bucket('items').count(), 0)
})

t.test('A frame may have maxPayloadBytes and no more', async t => {
  const { connect } = await serve(t, { maxPayloadBytes: 2000 })
  const frame = (bytes: number) => {
    const empty = JSON.stringify({ id: 1, type: 'store.buckets', pad: '' })
    return JSON.stringify({ id: 1, type: 'store.buckets', pad: 'x'.repeat(bytes - empty.length) })
  }
  const client = await connect()
  client.send(frame(2000))
  t.match(await client.next(), { id: 1, type: 'result' })
  client.send(frame(2001))
  t.equal((await client.closed).code, 1009)
  t.same(client.waiting, [])
})
