import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { RawSocket } from '../../support/raw-socket.js'
import { serveRpc } from '../../support/rpc.js'
import { watchUncaughtErrors } from '../../support/uncaught-errors.js'
import { until } from '../../support/until.js'

const get = { type: 'store.get', bucket: 'items', key: 'a' }
const insert = (id: string): object => ({ type: 'store.insert', bucket: 'items', data: { id } })

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

const unsafe = 12345678901234567890n

async function openSockets ({ server }: FastifyInstance): Promise<number> {
  return await new Promise(resolve => { server.getConnections((_error, count) => { resolve(count) }) })
}

/** Bodies with the code and the message of the refusal. */
const bodies: ReadonlyArray<readonly [name: string, body: string | Uint8Array, code: string, RegExp]> = [
  ['nothing', '', 'PARSE_ERROR', /not JSON/],
  ['blanks', ' \n', 'PARSE_ERROR', /not JSON/],
  ['no JSON', 'type=store.get', 'PARSE_ERROR', /not JSON/],
  ['a text', '"store.get"', 'PARSE_ERROR', /not a JSON object/],
  ['null', 'null', 'PARSE_ERROR', /not a JSON object/],
  ['two requests', `${JSON.stringify(get)}${JSON.stringify(get)}`, 'PARSE_ERROR', /not JSON/],
  ['a byte order mark', `\uFEFF${JSON.stringify(get)}`, 'PARSE_ERROR', /not JSON/],
  ['bytes that are no UTF-8', Buffer.from('{"type":"\xff\xfe"}', 'latin1'), 'PARSE_ERROR', /UTF-8/],
  ['UTF-16', Buffer.from(JSON.stringify(get), 'utf16le'), 'PARSE_ERROR', /./],
  ['no type', '{"id":1}', 'INVALID_REQUEST', /^type/],
  ['an empty type', '{"id":1,"type":""}', 'INVALID_REQUEST', /^type/],
  ['an id that is a text', '{"id":"1","type":"store.get"}', 'INVALID_REQUEST', /^id/],
  ['an id that is null', '{"id":null,"type":"store.get"}', 'INVALID_REQUEST', /^id/],
  ['an unsafe id', '{"id":9007199254740993,"type":"store.get"}', 'INVALID_REQUEST', /^id/],
  ['__proto__', '{"type":"store.get","__proto__":{"key":"a"}}', 'VALIDATION_ERROR', /^__proto__/],
  ['constructor.prototype', '{"type":"a","constructor":{"prototype":{}}}', 'VALIDATION_ERROR', /prototype/],
  ['an unsafe number', `{"type":"store.get","key":${unsafe}}`, 'VALIDATION_ERROR', /^key/],
  ['an infinite number', '{"type":"store.get","key":1e999}', 'VALIDATION_ERROR', /^key/],
  ['a lone surrogate', '{"type":"store.get","key":"\\ud800"}', 'VALIDATION_ERROR', /Unicode/],
  ['a deep value', `{"type":"store.get","key":${deep(33)}}`, 'VALIDATION_ERROR', /32 levels/],
  ['a very deep value', `{"type":"store.get","key":${deep(100_000)}}`, 'VALIDATION_ERROR', /32 levels/],
  ['an array of a number', '[1]', 'PARSE_ERROR', /^\[0\]/],
  ['an array in an array', `[[${JSON.stringify(get)}]]`, 'PARSE_ERROR', /^\[0\]/],
  ['an array that does not end', `[${JSON.stringify(get)}`, 'PARSE_ERROR', /array/],
  ['an array that ends twice', `[${JSON.stringify(get)}]]`, 'PARSE_ERROR', /array/],
  ['an array with a gap', `[${JSON.stringify(get)},,${JSON.stringify(get)}]`, 'PARSE_ERROR', /array/],
  ['an array that ends with a comma', `[${JSON.stringify(get)},]`, 'PARSE_ERROR', /./],
  ['brackets alone', '['.repeat(500_000), 'PARSE_ERROR', /./]
]

t.test('a body that is no request is refused, and nothing of it is done', async t => {
  const uncaught = watchUncaughtErrors(t)
  const { post, store } = await serveRpc(t)
  for (const [name, body, code, message] of bodies) {
    const answer = await post(body)
    t.equal(answer.status, 400, name)
    t.match(answer.body, { id: 0, type: 'error', code, message }, name)
  }
  const broken = await post(`[${JSON.stringify(insert('a'))},{"type":]`)
  t.match([broken.status, broken.body.code], [400, 'PARSE_ERROR'])
  t.equal(await store.bucket('items').count(), 0, 'no request of an array that is no JSON is done')
  t.same(uncaught, [])
})

t.test('of a member that is there twice the last one counts, for rights and for the work', async t => {
  const { post } = await serveRpc(t, {
    auth: {
      validate: async () => null,
      required: false,
      permissions: { check: (_session, operation) => operation !== 'store.clear' }
    }
  })
  const { body } = await post('{"type":"store.count","bucket":"items","type":"store.clear"}')
  t.match(body, { code: 'FORBIDDEN' })
  t.match((await post('{"type":"store.clear","bucket":"items","type":"store.count"}')).body, { data: 0 })
})

t.test('a body of another type, or in an encoding, is refused with 415', async t => {
  const { post, store, port } = await serveRpc(t, {}, {
    before (app) {
      app.addContentTypeParser('*', (_request, _payload, done) => { done(null, insert('parsed')) })
      app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, _body, done) => {
        done(null, insert('text'))
      })
    }
  })
  const types = [
    'text/plain', 'text/plain; application/json', 'application/x-www-form-urlencoded', 'multipart/form-data',
    'application/jsonp', 'application/json5', 'application/vnd.api+json', 'application/json, text/plain',
    'application/json; charset=utf-16', 'application/json; x=1', 'application/json/', 'json', '*/*'
  ]
  for (const type of types) {
    const { status, body } = await post(insert('a'), { 'content-type': type })
    t.equal(status, 415, type)
    t.match(body, { code: 'INVALID_REQUEST', message: /Content-Type/ })
  }
  const gzipped = await post(gzipSync(JSON.stringify(insert('a'))), { 'content-encoding': 'gzip' })
  t.match([gzipped.status, gzipped.body.message], [415, /Content-Encoding/])
  const raw = await RawSocket.open(t, port)
  raw.request('POST /rpc HTTP/1.1', 'Host: localhost', 'Content-Length: 0')
  t.equal(await raw.status(), 415, 'without a type')
  t.equal(await store.bucket('items').count(), 0)
  const good = [
    'application/json;charset=UTF-8', 'Application/JSON', 'application/json; charset="utf-8"',
    'application/json;'
  ]
  for (const type of good) {
    t.equal((await post(get, { 'content-type': type })).status, 200, type)
  }
})

t.test('a body that is too long is refused with 413, announced or not', async t => {
  const { post, port, app } = await serveRpc(t, { maxPayloadBytes: 1_000 })
  const long = JSON.stringify({ ...get, key: 'x'.repeat(2_000) })
  const { status, headers, body } = await post(long)
  t.match([status, headers.get('connection'), body.code], [413, 'close', 'INVALID_REQUEST'])
  t.match(body.message, /1000 bytes/)
  const sent = httpRequest({
    port, host: '127.0.0.1', path: '/rpc', method: 'POST', headers: { 'content-type': 'application/json' }
  })
  sent.on('error', () => {})
  sent.write(long.slice(0, 900))
  sent.write(long.slice(900))
  const [response] = await once(sent, 'response')
  t.equal(response.statusCode, 413, 'in chunks, although it has not ended')
  sent.destroy()
  t.equal((await post({ ...get, key: 'x'.repeat(900) })).status, 200)
  t.equal((await app.inject('/healthz')).statusCode, 200)
})

t.test('a second request in the body of the first is not taken for one', async t => {
  const { port, store } = await serveRpc(t, { maxPayloadBytes: 100 })
  const raw = await RawSocket.open(t, port)
  const smuggled = 'POST /rpc HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n' +
    `Content-Length: ${JSON.stringify(insert('a')).length}\r\n\r\n${JSON.stringify(insert('a'))}`
  raw.socket.write('POST /rpc HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n' +
    `Content-Length: 100000\r\n\r\n${smuggled}`)
  await raw.closed
  t.match(raw.received, /^HTTP\/1\.1 413/)
  t.equal(raw.received.split('HTTP/1.1').length, 2, 'one answer')
  t.equal(await store.bucket('items').count(), 0)
})

t.test('of a client that leaves, nothing more is done', async t => {
  const uncaught = watchUncaughtErrors(t)
  const { app, store, port } = await serveRpc(t)
  let goOn: (() => void) | undefined
  store.defineQuery('slow', async () => await new Promise(resolve => { goOn = () => { resolve([]) } }))
  const body = JSON.stringify([insert('a'), { type: 'store.query', query: 'slow' }, insert('b')])
  const raw = await RawSocket.open(t, port)
  raw.request(
    'POST /rpc HTTP/1.1', 'Host: a', 'Content-Type: application/json', `Content-Length: ${body.length}`
  )
  raw.socket.write(body)
  await until(() => goOn !== undefined)
  raw.socket.destroy()
  await until(async () => await openSockets(app) === 0)
  goOn?.()
  const half = await RawSocket.open(t, port)
  half.request('POST /rpc HTTP/1.1', 'Host: a', 'Content-Type: application/json', 'Content-Length: 1000')
  half.socket.write('{"type":')
  half.socket.destroy()
  const payload = { type: 'store.count', bucket: 'items' }
  t.match((await app.inject({ method: 'POST', url: '/rpc', payload })).json(), { data: 1 })
  t.equal(await store.bucket('items').get('b'), undefined)
  t.same(uncaught, [])
})

t.test('a client that does not read a long answer is cut off', async t => {
  const { app, store, port } = await serveRpc(t, { backpressure: { drainTimeoutMs: 50 } })
  const name = 'x'.repeat(100_000)
  await store.bucket('items').insertMany(Array.from({ length: 400 }, (_, i) => ({ id: String(i), name })))
  const all = { type: 'store.all', bucket: 'items' }
  for (const body of [JSON.stringify(all), JSON.stringify([all, all])]) {
    const raw = await RawSocket.open(t, port)
    raw.request(
      'POST /rpc HTTP/1.1', 'Host: a', 'Content-Type: application/json', `Content-Length: ${body.length}`
    )
    raw.socket.write(body)
    await raw.until(/HTTP\/1\.1 200/)
    raw.socket.pause()
    await until(async () => await openSockets(app) === 0)
    t.ok(raw.received.length < 40_000_000, 'before it has had all of it')
    raw.socket.destroy()
  }
})

t.test('hooks of the application that answer or throw take no place', async t => {
  let mode = 'answer'
  const { post } = await serveRpc(t, {}, {
    before (app) {
      app.addHook('preHandler', async (_request, reply) => {
        if (mode === 'answer') await reply.code(418).send({ own: true })
        if (mode === 'throw') throw new Error('of the application')
      })
    }
  })
  for (const [how, status] of [['answer', 418], ['throw', 500]] as const) {
    mode = how
    for (let i = 0; i < 300; i++) {
      const answer = await post(get)
      if (answer.status !== status) t.equal(answer.status, status, `${how} ${i}`)
    }
  }
  mode = 'pass'
  t.equal((await post(get)).status, 200)
})
