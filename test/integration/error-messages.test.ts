import t from 'tap'
import { serve } from '../support/service.js'
import { serveAccounts } from '../support/identity.js'

const SECRET = 'secret-4711'

const users = {
  key: 'id',
  schema: {
    id: { type: 'string' as const },
    name: { type: 'string' as const, required: true, minLength: 2 },
    age: { type: 'number' as const, min: 18 },
    mail: { type: 'string' as const, format: 'email' as const },
    kind: { type: 'string' as const, enum: ['a', 'b'] },
    address: { type: 'object' as const, properties: { city: { type: 'string' as const, required: true } } },
    tags: { type: 'array' as const, items: { type: 'string' as const } }
  },
  validate: (record: Readonly<Record<string, unknown>>) =>
    record['name'] === SECRET ? [`${SECRET} is taken`] : undefined
}

t.test('The refusal of a record that does not fit names its fields, and never a value', async t => {
  for (const exposeErrorDetails of [false, true]) {
    const { connect, store } = await serve(t, { exposeErrorDetails })
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'u', name: 'Ann' })
    const client = await connect()
    const table: ReadonlyArray<readonly [type: string, fields: object, issues: string]> = [
      ['store.insert', { data: { id: 'x' } }, 'name: Field is required'],
      ['store.insert', { data: { name: 'Bob' } }, 'id: Field is required'],
      [
        'store.insert',
        { data: { id: 'x', name: 'A', age: 5, kind: SECRET } },
        'name: Minimum length is 2; age: Minimum value is 18; kind: Value must be one of: a, b'
      ],
      [
        'store.insert',
        { data: { id: 'x', name: 5, mail: SECRET } },
        'name: Expected type "string", got number; mail: Invalid email format'
      ],
      [
        'store.insert',
        { data: { id: 'x', name: 'Bob', address: { street: SECRET }, tags: ['a', 1] } },
        'address.city: Field is required; tags[1]: Expected type "string", got number'
      ],
      [
        'store.insert',
        { data: { id: 'x', name: SECRET } },
        '_record: Value is refused by a check of its own'
      ],
      [
        'store.insert',
        { data: { id: 'x', name: 'Bob', mail: `${SECRET}@${'x'.repeat(400)}` } },
        'mail: Invalid email format'
      ],
      ['store.insertMany', { data: [{ id: 'x', name: 'Bob' }, { id: 'y' }] }, 'name: Field is required'],
      ['store.upsert', { data: { id: 'u', name: null } }, 'name: Field is required'],
      ['store.update', { key: 'u', data: { age: SECRET } }, 'age: Expected type "number", got string'],
      ['store.updateMany', { filter: {}, data: { age: 1 } }, 'age: Minimum value is 18']
    ]
    for (const [type, fields, issues] of table) {
      const reply = await client.request(type, { bucket: 'users', ...fields })
      t.match(
        reply,
        { code: 'VALIDATION_ERROR', message: `Validation failed for bucket "users": ${issues}` },
        `${type} ${JSON.stringify(fields)}`
      )
      t.equal(Array.isArray(reply['details']), exposeErrorDetails)
    }
    const many = await client.request(
      'store.insert',
      { bucket: 'users', data: { id: 'x', name: 'Bob', tags: Array.from({ length: 5_000 }, (_, i) => i) } }
    )
    t.match(
      many['message'],
      /tags\[9\]: Expected type "string", got number; and 4990 more$/,
      'the message of very many issues is short'
    )
    const entry = { op: 'insert', bucket: 'users', data: { id: 'x' } }
    t.match(
      await client.request('store.transaction', { operations: [entry] }),
      { message: 'Validation failed for bucket "users": name: Field is required' }
    )
    t.match(
      await client.request('store.update', { bucket: 'users', key: SECRET, data: {} }),
      { code: 'NOT_FOUND', message: 'The record does not exist in bucket "users"' }
    )
    t.match(await client.request('store.insert', { bucket: 'users', data: { id: 'u', name: 'Bob' } }),
      { code: 'ALREADY_EXISTS', message: 'Bucket "users" has another record with this primary key, "id"' })
  }
})

t.test('The key of a missing record is not told, even one that looks like the message', async t => {
  const { connect } = await serve(t, { exposeErrorDetails: false })
  const client = await connect()
  for (const key of [
    `" not found in bucket "${SECRET}`,
    `a" not found in bucket "${SECRET}" not found in bucket "b`,
    `${SECRET}\n"`
  ]) {
    t.match(
      await client.request('store.update', { bucket: 'items', key, data: {} }),
      { code: 'NOT_FOUND', message: 'The record does not exist in bucket "items"' }
    )
  }
})

t.test('The words for a revoked session and for too many requests are those of the original', async t => {
  const { app, connect } = await serve(
    t,
    {
      auth: { validate: token => ({ userId: token, roles: [] }) },
      rateLimit: { maxRequests: 2, windowMs: 60_000 }
    }
  )
  const client = await connect()
  await client.ask('auth.login', { token: 'ann' })
  for (let i = 0; i < 2; i++) await client.ask('store.buckets')
  t.match(
    await client.request('store.buckets'),
    { code: 'RATE_LIMITED', message: 'Rate limit exceeded', details: { retryAfterMs: Number } }
  )
  app.noex.revokeSession('ann')
  t.match(
    await client.next(({ type }) => type === 'system'),
    { event: 'session_revoked', reason: 'Session revoked by administrator' }
  )
})

t.test('A client whose account is disabled is told the same', async t => {
  const { superadmin, user, as } = await serveAccounts(t)
  const admin = await superadmin()
  const userId = await user('ann of the tests', 'reader')
  const client = await as(userId)
  await admin.ask('identity.disableUser', { userId })
  t.match(
    await client.next(({ type }) => type === 'system'),
    { event: 'session_revoked', reason: 'Session revoked by administrator' }
  )
})
