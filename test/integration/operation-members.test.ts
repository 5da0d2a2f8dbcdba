import t, { type Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import type { Frame } from '../support/client.js'
import { serveBuckets, type ServedClient } from '../support/service.js'

const notes: BucketDefinition = {
  key: 'id',
  schema: { id: { type: 'string' }, owner: { type: 'string' }, n: { type: 'number' } },
  indexes: ['owner']
}

/**
 * A bucket `notes` with the records a to f, of which every other one is Ann's, and `sorted`, in which they
 * stand by key.
 */
async function withNotes (t: Test): Promise<ServedClient> {
  const served = await serveBuckets(t, { notes, sorted: { ...notes, etsType: 'ordered_set' } })
  const data = ['c', 'a', 'e', 'b', 'd', 'f'].map((id, n) => ({ id, n, owner: n % 2 === 0 ? 'ann' : 'bob' }))
  for (const bucket of ['notes', 'sorted']) await served.store.bucket(bucket).insertMany(data)
  return served
}

const ids = (records: readonly Frame[]): string => records.map(({ id }) => id as string).join('')

t.test('A write with expectedVersion is done to that version of the record only', async t => {
  const { client, store } = await withNotes(t)
  await client.ask('store.update', { bucket: 'notes', key: 'a', data: { n: 10 } })
  const writes: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.update', { key: 'a', data: { n: 11 } }],
    ['store.delete', { key: 'a' }],
    ['store.upsert', { data: { id: 'a', n: 12 } }]
  ]
  for (const [type, fields] of writes) {
    for (const expectedVersion of [1, 3, 99]) {
      t.match(await client.request(type, { bucket: 'notes', ...fields, expectedVersion }),
        {
          code: 'CONFLICT',
          details: { bucket: 'notes', key: 'a', expectedVersion, version: 2 }
        }, `${type} at ${expectedVersion}`)
    }
    for (const expectedVersion of [null, 0, -1, 1.5, '2', true]) {
      t.match(await client.request(type, { bucket: 'notes', ...fields, expectedVersion }),
        { code: 'VALIDATION_ERROR', message: /^expectedVersion: / }, `${type} at ${String(expectedVersion)}`)
    }
  }
  t.match(await store.bucket('notes').get('a'), { n: 10, _version: 2 }, 'nothing was written')

  t.match(
    await client.ask('store.update', { bucket: 'notes', key: 'a', data: { n: 11 }, expectedVersion: 2 }),
    { n: 11, _version: 3 }
  )
  t.match(
    await client.ask('store.upsert', { bucket: 'notes', data: { id: 'a', n: 12 }, expectedVersion: 3 }),
    { n: 12, owner: 'bob', _version: 4 }
  )
  t.same(
    await client.ask('store.delete', { bucket: 'notes', key: 'a', expectedVersion: 4 }),
    { deleted: true }
  )

  const missing = { code: 'CONFLICT', details: { bucket: 'notes', expectedVersion: 1, version: null } }
  t.match(
    await client.request('store.update', { bucket: 'notes', key: 'a', data: {}, expectedVersion: 1 }),
    missing
  )
  t.match(await client.request('store.delete', { bucket: 'notes', key: 'a', expectedVersion: 1 }), missing)
  t.match(
    await client.request('store.upsert', { bucket: 'notes', data: { id: 'a' }, expectedVersion: 1 }),
    missing,
    'upsert makes no record then'
  )
  t.match(
    await client.request('store.upsert', { bucket: 'items', data: {}, expectedVersion: 1 }),
    { code: 'CONFLICT' },
    'nor one with a key of its own'
  )
  t.equal(await store.bucket('items').count(), 0)
})

t.test('Of many writers that have read one version, one succeeds', async t => {
  const { connect, store } = await withNotes(t)
  const clients = await Promise.all(Array.from({ length: 8 }, async () => await connect()))
  for (let version = 1; version <= 5; version++) {
    const replies = await Promise.all(clients.map(async client => await client.request(
      'store.update',
      { bucket: 'notes', key: 'a', data: { n: version }, expectedVersion: version }
    )))
    t.equal(replies.filter(({ type }) => type === 'result').length, 1)
    t.equal(replies.filter(({ code }) => code === 'CONFLICT').length, 7)
  }
  t.match(await store.bucket('notes').get('a'), { _version: 6 })
})

t.test('expectedVersion is that of a transaction and of the steps of a procedure, too', async t => {
  const { client, store } = await withNotes(t)
  const upsert = (expectedVersion: number) => ({
    operations: [{ op: 'upsert', bucket: 'notes', data: { id: 'a', n: 9 }, expectedVersion }]
  })
  t.match(await client.request('store.transaction', upsert(7)), { code: 'CONFLICT', details: { version: 1 } })
  t.match(await client.ask('store.transaction', upsert(1)), { results: [{ data: { n: 9, _version: 2 } }] })

  for (const transaction of [false, true]) {
    const name = `raise ${transaction ? 'in a transaction' : ''}`
    const steps = [
      {
        action: 'store.update',
        bucket: 'notes',
        key: 'a',
        data: { n: '{{ input.n }}' },
        expectedVersion: '{{ input.version }}'
      },
      { action: 'store.delete', bucket: 'notes', key: '{{ input.other }}', expectedVersion: 1 }
    ]
    await client.ask('procedures.register', { procedure: { name, transaction, steps } })
    const other = transaction ? 'b' : 'c'
    const version = (await store.bucket('notes').get('a'))?._version
    t.match(
      await client.request('procedures.call', { name, input: { n: 1, other, version: 1 } }),
      { code: 'CONFLICT', message: /^steps\[0\]: / },
      name
    )
    t.match(await client.request('procedures.call', { name, input: { n: 1, other } }), {
      code: 'VALIDATION_ERROR',
      message: /^steps\[0\]: expectedVersion: /
    },
    'a version that is not there is refused, not left out')
    t.match(await client.ask('procedures.call', { name, input: { n: 1, other, version } }), { success: true })
    t.equal(await store.bucket('notes').get(other), undefined)
  }
  const steps = (expectedVersion: unknown) => ({
    procedure: { name: 'p', steps: [{ action: 'store.delete', bucket: 'notes', key: 'a', expectedVersion }] }
  })
  for (const wrong of [0, 1.5, 'x', null]) {
    t.match(
      await client.request('procedures.register', steps(wrong)),
      { code: 'VALIDATION_ERROR', message: /steps\[0\]\.expectedVersion: / }
    )
  }
})

t.test('first, last and paginate take a filter', async t => {
  const { client } = await withNotes(t)
  const ann = { owner: 'ann' }
  for (const [bucket, all, anns] of [['notes', 'caebdf', 'ced'], ['sorted', 'abcdef', 'cde']] as const) {
    const ask = async (type: string, fields: object): Promise<any> => await client.ask(
      `store.${type}`,
      { bucket, ...fields }
    )
    t.equal(ids(await ask('first', { n: 2, filter: ann })), anns.slice(0, 2))
    t.equal(ids(await ask('last', { n: 2, filter: ann })), anns.slice(1))
    t.equal(ids(await ask('first', { n: 9, filter: {} })), all)
    t.equal(ids(await ask('last', { n: 9, filter: null })), all)
    t.equal(
      ids(await ask('first', { n: 9, filter: { owner: 'bob', n: { $gt: 1 } } })),
      bucket === 'notes' ? 'bf' : 'bf'
    )
    t.match(await ask('paginate', { limit: 2, filter: ann }), { hasMore: true, nextCursor: anns[1] })
    const rest = await ask('paginate', { limit: 2, filter: ann, after: anns[1] })
    t.equal(ids(rest.records), anns[2])
    t.match(rest, { hasMore: false, nextCursor: anns[2] })
    t.same(await ask('paginate', { limit: 2, filter: { owner: 'eve' } }), { records: [], hasMore: false })
    t.same(
      await ask('paginate', { limit: 2, filter: ann, after: 'nope' }),
      { records: [], hasMore: false },
      'an unknown cursor ends the list'
    )
    t.match(
      await client.request('store.first', { bucket, n: 1, filter: { n: { $foo: 1 } } }),
      { code: 'VALIDATION_ERROR', message: /^filter\.n\.\$foo: / }
    )
  }
})

t.test('A page goes on behind a record that does not match any more', async t => {
  const { client } = await withNotes(t)
  for (const [bucket, next] of [['notes', 'ed'], ['sorted', 'de']] as const) {
    const filter = { owner: 'ann' }
    t.match(
      await client.ask('store.paginate', { bucket, limit: 1, filter }),
      { nextCursor: 'c', hasMore: true }
    )
    await client.ask('store.update', { bucket, key: 'c', data: { owner: 'bob' } })
    t.equal(ids((await client.ask('store.paginate', { bucket, limit: 5, filter, after: 'c' })).records), next)
  }
})

t.test('where takes a limit', async t => {
  const { client } = await withNotes(t)
  const filter = { n: { $gte: 1 } }
  t.equal(ids(await client.ask('store.where', { bucket: 'notes', filter, limit: 2 })), 'ae')
  t.equal(ids(await client.ask('store.where', { bucket: 'notes', filter, limit: null })), 'aebdf')
  t.match(
    await client.ask(
      'store.transaction',
      { operations: [{ op: 'where', bucket: 'notes', filter, limit: 1 }] }
    ),
    { results: [{ data: [{ id: 'a' }] }] }
  )
  const steps = [{ action: 'store.where', bucket: 'notes', filter, limit: '{{ input.most }}', as: 'found' }]
  await client.ask('procedures.register', { procedure: { name: 'find', steps } })
  t.equal(
    ids((await client.ask('procedures.call', { name: 'find', input: { most: 2 } })).results.found),
    'ae'
  )
  t.match(
    await client.request('store.where', { bucket: 'notes', filter, limit: 0 }),
    { code: 'VALIDATION_ERROR', message: /^limit: / }
  )
})

t.test('Members that an operation does not have stay without effect', async t => {
  const { client } = await withNotes(t)
  const decoys = { expectedVersion: 99, filter: { $bad: 1 }, limit: -1, fields: 5 }
  t.equal((await client.ask('store.all', { bucket: 'notes', ...decoys })).length, 6)
  t.match(await client.ask('store.get', { bucket: 'notes', key: 'a', ...decoys }), { id: 'a' })
  t.match(await client.ask('store.insert', { bucket: 'notes', data: { id: 'g' }, ...decoys }), { id: 'g' })
  t.equal(
    await client.ask('store.updateMany', { bucket: 'notes', data: { n: 1 }, ...decoys, filter: { id: 'g' } }),
    1
  )
  t.equal(await client.ask('store.deleteMany', { bucket: 'notes', ...decoys, filter: { id: 'g' } }), 1)
  t.match(
    await client.ask('store.update', { bucket: 'notes', key: 'a', data: {}, ...decoys, expectedVersion: 1 }),
    { _version: 2 }
  )
})
