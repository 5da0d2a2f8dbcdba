import { createHash } from 'node:crypto'
import t from 'tap'
import { Store } from '@hamicek/noex-store'
import { query } from '../../support/audit-sinks.js'
import { Barrier } from '../../support/barrier.js'
import { FakeClock } from '../../support/fake-clock.js'
import { serve, startStore } from '../../support/service.js'
import { servePermissions } from '../../support/permissions.js'
import { until } from '../../support/until.js'

const insert = (idempotencyKey: unknown, data: object = { name: 'x' }): object =>
  ({ bucket: 'items', data, idempotencyKey })

t.test('a key is a text of 1 to 64 characters', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  const wrong = [
    null, 0, 1, true, false, {}, [], ['k'], { key: 'k' }, '', 'x'.repeat(65), '\u{1F600}'.repeat(33)
  ]
  for (const key of wrong) {
    t.match(await client.request('store.insert', insert(key)), {
      code: 'VALIDATION_ERROR', message: 'idempotencyKey: must be a text of 1 to 64 characters'
    }, JSON.stringify(key))
  }
  t.match(await client.request('store.insert', { idempotencyKey: 5 }), { message: /^idempotencyKey: / }, 'first')
  client.send('{"id":1000,"type":"store.insert","bucket":"items","data":{},"idempotencyKey":"\\ud800"}')
  t.match(await client.next(({ id }) => id === 1000), {
    code: 'VALIDATION_ERROR', message: 'idempotencyKey: is not well-formed Unicode'
  })
  t.equal(await store.bucket('items').count(), 0)
  const right = [
    ' ', 'x'.repeat(64), '\u{1F600}'.repeat(32), '\0', 'a\0b', 'a', '__proto__', 'constructor', '1:a',
    '\n\u2028"'
  ]
  for (const key of right) {
    const first = await client.ask('store.insert', insert(key))
    t.same(await client.ask('store.insert', insert(key)), first, encodeURIComponent(key))
  }
  t.equal(await store.bucket('items').count(), right.length)
})

t.test('the same key with another request is refused, and does nothing', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  const { id } = await client.ask('store.insert', insert('k', { name: 'x', n: 1 }))
  const others: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.insert', insert('k', { name: 'y', n: 1 })],
    ['store.insert', insert('k', { name: 'x', n: '1' })],
    ['store.insert', { ...insert('k', { name: 'x', n: 1 }), more: null }],
    ['store.upsert', insert('k', { name: 'x', n: 1 })],
    ['store.delete', { bucket: 'items', key: id, idempotencyKey: 'k' }]
  ]
  for (const [type, fields] of others) {
    t.match(await client.request(type, fields), {
      code: 'VALIDATION_ERROR',
      message: 'idempotencyKey: is that of another request: each request takes a new key'
    })
  }
  client.send(
    '{"idempotencyKey":"k","type":"store.insert","data":{"n":1.0,"name":"x"},"bucket":"items","id":77}'
  )
  const reply = await client.next(frame => frame['id'] === 77)
  t.match(reply, { data: { id } }, 'members may come in another order')
  t.equal(await store.bucket('items').count(), 1)
})

t.test('a refused request is not remembered', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  t.equal(await client.code('store.insert', insert('k', { n: 'none' })), 'VALIDATION_ERROR')
  const update = { bucket: 'items', key: 'a', data: {}, idempotencyKey: 'k' }
  t.equal(await client.code('store.update', update), 'NOT_FOUND')
  await store.bucket('items').insert({ id: 'a' })
  await client.ask('store.update', update)
  t.equal(store.requests.count, 1)
})

t.test('an answer that is too long is known as repeated', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  const longest = 'ž'.repeat(32_000)
  const kept = await client.ask('store.insert', insert('kept', { name: longest }))
  t.same(await client.ask('store.insert', insert('kept', { name: longest })), kept)
  const records = Array.from({ length: 3 }, (_, i) => ({ name: `${i}${'x'.repeat(30_000)}` }))
  const many = { bucket: 'items', data: records, idempotencyKey: 'many' }
  t.equal((await client.ask('store.insertMany', many)).length, 3)
  t.same(await client.ask('store.insertMany', many), { repeated: true })
  t.equal(await store.bucket('items').count(), 4)
})

t.test('requests without a login share one scope, those of users do not', async t => {
  const open = await serve(t)
  const [one, other] = [await open.connect(), await open.connect()]
  t.same(await one.ask('store.insert', insert('k')), await other.ask('store.insert', insert('k')))

  const { as, connect, store } = await servePermissions(t, { default: 'allow' })
  const clients = [await as('ann'), await as('bob'), await connect(), await as('ann')]
  const ids = []
  for (const client of clients) ids.push((await client.request('store.insert', insert('k')))['data']?.id)
  t.equal(ids[0], ids[3], 'a new connection of the user finds it')
  t.equal(new Set(ids.slice(0, 2)).size, 2)
  t.equal(ids[2], undefined, 'a login is required')
  t.equal(await store.bucket('items').count(), 2)
})

t.test('of two at once with one key, one is done', async t => {
  const store = await startStore(t)
  const barrier = new Barrier()
  let isRefused = true
  await store.defineBucket('items', {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      name: {
        type: 'string',
        async validate () {
          await barrier.pass()
          return isRefused ? 'not yet' : undefined
        }
      }
    }
  })
  const { connect } = await serve(t, {}, { store })
  const clients = await Promise.all(Array.from({ length: 4 }, async () => await connect()))
  const [first, second, third, fourth] = clients.map(async (client, i) => {
    if (i > 0) await until(() => barrier.passed > 0)
    return await client.request('store.insert', insert('k'))
  })
  await barrier.held()
  t.equal(
    await (await connect()).code('store.insert', insert('k', { name: 'y' })), 'VALIDATION_ERROR',
    'another request does not wait'
  )
  t.equal(barrier.passed, 1)
  await barrier.release()
  await barrier.held()
  t.equal(barrier.passed, 2, 'the next runs itself, since the first was refused; the others wait')
  isRefused = false
  await barrier.release()
  const replies = await Promise.all([first, second, third, fourth])
  const ids = replies.map(reply => reply?.['data']?.id as string | undefined).filter(id => id !== undefined)
  t.equal(replies.filter(reply => reply?.['code'] === 'VALIDATION_ERROR').length, 1)
  t.equal(ids.length, 3)
  t.equal(new Set(ids).size, 1)
  t.equal(await store.bucket('items').count(), 1)
  t.equal(barrier.passed, 2)
})

t.test('a key is forgotten when its time is over', async t => {
  const clock = new FakeClock()
  const store = await startStore(t, { now: () => clock.now() })
  const { connect } = await serve(t, { idempotency: { windowMs: 5_000 } }, { store })
  const client = await connect()
  const first = await client.ask('store.insert', insert('k'))
  clock.turn(4_999)
  t.same(await client.ask('store.insert', insert('k')), first)
  clock.turn(1)
  t.not((await client.ask('store.insert', insert('k'))).id, first.id)
})

t.test('when as many keys are remembered as the options allow, new ones are refused by name', async t => {
  const clock = new FakeClock()
  const store = await startStore(t, { now: () => clock.now() })
  const idempotency = { windowMs: 5_000, maxKeys: 2 }
  const { connect } = await serve(t, { idempotency, exposeErrorDetails: false }, { store })
  const client = await connect()
  const first = await client.ask('store.insert', insert('a'))
  clock.turn(1_000)
  await client.ask('store.insert', insert('b'))
  t.match(await client.request('store.insert', insert('c')), {
    code: 'RATE_LIMITED',
    message: 'The server remembers as many requests as idempotency.maxKeys allows, 2: no new ' +
      'idempotencyKey is taken at the moment',
    details: { retryAfterMs: 4_000 }
  })
  t.same(await client.ask('store.insert', insert('a')), first, 'none is forgotten')
  t.match(await client.request('store.insert', insert(undefined)), { type: 'result' }, 'without a key')
  clock.turn(4_000)
  await client.ask('store.insert', insert('c'))
  t.equal(await store.bucket('items').count(), 4)
})

t.test('one user cannot take all of them', async t => {
  const auth = { validate: (token: string) => ({ userId: token, roles: [] }) }
  for (const idempotency of [{ maxKeys: 12 }, { maxBytes: 13_200 }]) {
    const { connect, store } = await serve(t, { auth, idempotency })
    const taken: number[] = []
    for (const userId of ['ann', 'bob', 'eve']) {
      const client = await connect()
      await client.ask('auth.login', { token: userId })
      const before = store.requests.count
      for (let i = 0; ; i++) {
        const reply = await client.request('store.insert', insert(`k${i}`))
        if (reply['type'] === 'result') continue
        t.match(reply, {
          code: 'RATE_LIMITED',
          message: /as many requests of one user beside those of all others as idempotency\./
        })
        break
      }
      taken.push(store.requests.count - before)
    }
    if ('maxKeys' in idempotency) t.same(taken, [6, 3, 2])
    t.ok(taken.every(count => count > 1), `all have room: ${taken.join()}`)
  }
})

t.test('their bytes are bounded, too', async t => {
  const { connect, store } = await serve(t, { idempotency: { maxBytes: 100_000 } })
  const client = await connect()
  const data = { name: 'x'.repeat(40_000) }
  for (const key of ['a', 'b', 'c']) await client.ask('store.insert', insert(key, data))
  t.match(await client.request('store.insert', insert('d', data)), {
    code: 'RATE_LIMITED', message: /idempotency\.maxBytes allows, 100000/, details: { retryAfterMs: Number }
  })
  t.ok(store.requests.bytes < 150_000)
  t.equal(await store.bucket('items').count(), 3)
})

t.test('the audit has a repetition as one', async t => {
  const { connect } = await serve(t, { audit: { tiers: ['write', 'admin'] } })
  const client = await connect()
  await client.ask('store.insert', insert('k'))
  await client.ask('store.insert', insert('k'))
  const transaction = { operations: [{ op: 'count', bucket: 'items' }], idempotencyKey: 't' }
  for (let i = 0; i < 2; i++) await client.ask('store.transaction', transaction)
  await client.code('store.insert', insert('k', { name: 'y' }))
  const entries = (await query(client)).reverse()
  t.same(entries.map(({ operation, result, details }) => [operation, result, details ?? null]), [
    ['store.insert', 'success', null],
    ['store.insert', 'success', { repeated: true }],
    ['store.transaction', 'success', { buckets: ['items'] }],
    ['store.transaction', 'success', { buckets: ['items'], repeated: true }],
    ['store.insert', 'error', null]
  ])
})

t.test('what a repetition is compared by has no password', async t => {
  const store = await Store.start()
  t.teardown(async () => { await store.stop() })
  const { connect } = await serve(t, {
    auth: { builtIn: true, adminSecret: '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5' }
  }, { store })
  const client = await connect()
  await client.ask('identity.loginWithSecret', { secret: '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5' })
  const user = { username: 'alice', idempotencyKey: 'k' }
  const first = await client.ask('identity.createUser', { ...user, password: 'correct horse 1' })
  t.same(await client.ask('identity.createUser', { ...user, password: 'correct horse 2' }), first)
  const compared = '{"type":"identity.createUser","username":"alice",}'
  t.equal(
    store.requests.find('k', '__superadmin__')?.request,
    createHash('sha256').update(compared).digest('base64url')
  )
})
