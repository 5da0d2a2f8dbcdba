import { test } from 'tap'
import {
  CommitTooLargeError, QuotaExceededError, TransactionConflictError, UniqueConstraintError, type RecordChange
} from '../src/index.js'
import { commitsOf, rejection, startStore, users } from './support/store.js'

const thing = { key: 'id', schema: { id: { type: 'string' } } } as const

test('a commit', async t => {
  t.test('has the next revision and its changes in order, with the user that caused it', async t => {
    const store = await startStore(t)
    const commits = commitsOf(store)
    await store.defineBucket('users', users)
    const a = await store.bucket('users').insert({ id: 'a' }, { user: 'jana' })
    const b = await store.bucket('users').update('a', { name: 'A' })
    await store.bucket('users').delete('a')
    t.match(commits, [
      { revision: 1, changes: [{ type: 'define', bucket: 'users' }] },
      {
        revision: 2,
        user: 'jana',
        changes: [{ type: 'insert', bucket: 'users', key: 'a', before: undefined, after: a }]
      },
      { revision: 3, user: undefined, changes: [{ type: 'update', before: a, after: b }] },
      { revision: 4, changes: [{ type: 'delete', before: b, after: undefined }] }
    ])
    t.equal(store.revision, 4)
  })

  t.test('is made by definitions, clear, queries and drops like by all else', async t => {
    const store = await startStore(t)
    const commits = commitsOf(store)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a' })
    await store.bucket('users').clear()
    await store.updateBucket('users', { ttl: '1h' })
    store.defineDeclarativeQuery('all', { bucket: 'users' })
    store.undefineQuery('all')
    await store.dropBucket('users')
    t.same(commits.flatMap(({ changes }) => changes.map(({ type }) => type)),
      ['define', 'insert', 'clear', 'redefine', 'query', 'query', 'drop'])
    t.same(commits.map(({ revision }) => revision), [1, 2, 3, 4, 5, 6, 7])
  })

  t.test('is told to all listeners before the next one, also when a listener writes', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const heard: string[] = []
    store.onCommit(({ revision }) => {
      heard.push(`first ${revision}`)
      if (revision < 5) store.bucket('users').insert({ id: `${revision}` }).catch(() => {})
    })
    store.onCommit(({ revision }) => { heard.push(`second ${revision}`) })
    store.onDurable(({ revision }) => { heard.push(`durable ${revision}`) })
    await store.bucket('users').insert({ id: 'start' })
    await store.settle()
    t.same(
      heard,
      [2, 3, 4, 5].flatMap(revision => [`first ${revision}`, `second ${revision}`, `durable ${revision}`])
    )
  })

  t.test('is not undone by a listener that throws, which is reported', async t => {
    const errors: unknown[] = []
    const store = await startStore(t, { onListenerError: error => { errors.push(error) } })
    await store.defineBucket('users', users)
    store.onCommit(() => { throw new Error('listener') })
    await store.on('bucket.*.*', () => { throw new Error('handler') })
    await store.on('bucket.*.*', (async () => { throw new Error('rejection') }) as never)
    await store.bucket('users').insert({ id: 'a' })
    await store.settle()
    t.same(errors.map(error => (error as Error).message).sort(), ['handler', 'listener', 'rejection'])
    t.equal(await store.bucket('users').count(), 1)
  })

  t.test('of a function of the definition that writes comes before the one that called it', async t => {
    const store = await startStore(t)
    await store.defineBucket(
      'log', { key: 'id', schema: { id: { type: 'number', generated: 'autoincrement' } } }
    )
    await store.defineBucket('users', {
      ...users,
      schema: {
        ...users.schema,
        tag: { type: 'string', default: () => { store.bucket('log').insert({}).catch(() => {}); return 'x' } }
      }
    })
    const commits = commitsOf(store)
    await store.bucket('users').insert({ id: 'a' })
    t.match(
      commits.map(({ revision, changes }) => [revision, (changes[0] as RecordChange).bucket]),
      [[3, 'log'], [4, 'users']]
    )
  })

  t.test('never takes an update back that a validator has made in the middle of it', async t => {
    const store = await startStore(t)
    let isFirst = true
    await store.defineBucket('users', {
      ...users,
      validate: record => {
        if (record['name'] === 'outer' && isFirst) {
          isFirst = false
          store.bucket('users').update('a', { age: 7 }).catch(() => {})
        }
        return undefined
      }
    })
    await store.bucket('users').insert({ id: 'a' })
    t.match(
      await store.bucket('users').update('a', { name: 'outer' }), { name: 'outer', age: 7, _version: 3 }
    )
  })

  t.test('with more changes than the writer allows is refused as a whole', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const many = Array.from({ length: 11 }, (_, i) => ({ id: `${i}` }))
    await t.rejects(store.bucket('users').insertMany(many, { maxChanges: 10 }), CommitTooLargeError)
    await store.bucket('users').insertMany(many)
    await t.rejects(store.bucket('users').deleteMany({}, { maxChanges: 10 }), CommitTooLargeError)
    await t.rejects(
      store.transaction(async tx => (await tx.bucket('users')).deleteMany({}), { maxChanges: 10 }),
      CommitTooLargeError
    )
    t.equal(await store.bucket('users').count(), 11)
  })
})

test('an expected version', async t => {
  t.test('that is another one refuses the write', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    await bucket.insert({ id: 'a' })
    await t.rejects(bucket.update('a', {}, { expectedVersion: 2 }), TransactionConflictError)
    await t.rejects(bucket.delete('a', { expectedVersion: 2 }), TransactionConflictError)
    await bucket.update('a', {}, { expectedVersion: 1 })
    await bucket.delete('a', { expectedVersion: 2 })
    await t.rejects(bucket.delete('a', { expectedVersion: 2 }), TransactionConflictError)
  })

  t.test('is never that of a record which has taken the place of a deleted one', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    await bucket.insert({ id: 'a' })
    await bucket.update('a', { name: 'A' })
    await bucket.delete('a')
    t.equal((await bucket.insert({ id: 'a' }))._version, 3)
    t.equal((await bucket.insert({ id: 'b' }))._version, 1)
    await bucket.clear()
    t.equal((await bucket.insert({ id: 'a' }))._version, 4)
    t.equal((await bucket.insert({ id: 'c' }))._version, 1)
  })

  t.test('is not repeated when the bucket has forgotten the deleted key', async t => {
    const store = await startStore(t, { maxDeletedKeys: 2 })
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    await bucket.insert({ id: 'a' })
    for (let i = 0; i < 5; i++) await bucket.update('a', { age: i })
    for (const id of ['b', 'c', 'd']) await bucket.insert({ id })
    for (const id of ['a', 'b', 'c']) await bucket.delete(id)
    t.equal((await bucket.insert({ id: 'a' }))._version, 7)
    t.equal((await bucket.insert({ id: 'new' }))._version, 7)
    t.equal((await bucket.insert({ id: 'c' }))._version, 2)
  })
})

test('numbers of autoincrement', async t => {
  const definition = { key: 'id', schema: { id: { type: 'number', generated: 'autoincrement' } } } as const

  t.test('are never given twice, and pass over keys that are taken', async t => {
    const store = await startStore(t)
    await store.defineBucket('orders', definition)
    const bucket = store.bucket('orders')
    const ids = [
      (await bucket.insert({}))['id'], (await bucket.insert({ id: 4 }))['id'],
      (await bucket.insert({}))['id'], (await bucket.insert({}))['id']
    ]
    t.same(ids, [1, 4, 3, 5])
    await bucket.delete(5)
    t.equal((await bucket.insert({}))['id'], 6)
    t.same((await bucket.insertMany([{}, { id: 8 }, {}])).map(({ id }) => id), [7, 8, 9])
  })

  t.test('of transactions side by side are different', async t => {
    const store = await startStore(t)
    await store.defineBucket('orders', definition)
    const insert = async () => await store.transaction(async tx => {
      const bucket = await tx.bucket('orders')
      const { id } = await bucket.insert({})
      await Promise.resolve()
      return id
    })
    const ids = await Promise.all([insert(), insert(), insert()])
    t.equal(new Set(ids).size, 3)
  })
})

test('a unique field', async t => {
  t.test('is checked in the state that a commit leads to', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    await bucket.insertMany(
      [{ id: 'a', email: '1' }, { id: 'b', email: '2' }, { id: 'c' }, { id: 'd', email: null }]
    )
    const error = await rejection(bucket.insert({ id: 'e', email: '1' }))
    t.match(error, { name: 'UniqueConstraintError', bucket: 'users', field: 'email', value: '1' })
    await t.rejects(
      bucket.insertMany([{ id: 'f', email: '9' }, { id: 'g', email: '9' }]), UniqueConstraintError
    )
    await t.rejects(bucket.updateMany({ id: { $in: ['c', 'd'] } }, { email: '9' }), UniqueConstraintError)
    // The two change places.
    await store.transaction(async tx => {
      const users = await tx.bucket('users')
      await users.update('a', { email: '2' })
      await users.update('b', { email: '1' })
    })
    t.match(await bucket.findOne({ email: '1' }), { id: 'b' })
    t.equal(await bucket.count(), 4)
  })

  t.test('of thousands that change places costs in proportion', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const count = 5_000
    await store.bucket('users').insertMany(
      Array.from({ length: count }, (_, i) => ({ id: `${i}`, email: `${i}` }))
    )
    const start = performance.now()
    await store.transaction(async tx => {
      const bucket = await tx.bucket('users')
      for (let i = 0; i < count; i++) await bucket.update(`${i}`, { email: `${(i + 1) % count}` })
    })
    t.ok(performance.now() - start < 2_000)
    t.match(await store.bucket('users').findOne({ email: '1' }), { id: '0' })
  })
})

test('a full bucket', async t => {
  t.test('with maxSize evicts its oldest records, after the new ones are checked', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', { ...users, maxSize: 3 })
    const bucket = store.bucket('users')
    await bucket.insertMany([{ id: 'a', email: '1' }, { id: 'b' }, { id: 'c' }])
    await t.rejects(bucket.insert({ id: 'd', age: 'old' }))
    t.equal(await bucket.count(), 3)
    const commits = commitsOf(store)
    await bucket.insert({ id: 'd', email: '1' })
    t.match(commits, [{ changes: [{ type: 'insert', key: 'd' }, { type: 'delete', key: 'a' }] }])
    t.same((await bucket.all()).map(({ id }) => id), ['b', 'c', 'd'])
  })

  t.test('takes the last ones of a batch that is larger than itself', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', { ...users, maxSize: 3 })
    await store.bucket('users').insert({ id: 'old' })
    const commits = commitsOf(store)
    await store.bucket('users').insertMany(Array.from({ length: 5 }, (_, i) => ({ id: `${i}` })))
    t.same((await store.bucket('users').all()).map(({ id }) => id), ['2', '3', '4'])
    t.same((commits[0]?.changes as RecordChange[]).map(({ type, key }) => `${type} ${String(key)}`),
      ['insert 2', 'insert 3', 'insert 4', 'delete old'])
  })

  t.test('with quotas refuses more', async t => {
    const store = await startStore(t)
    await store.defineBucket('few', { ...thing, maxRecords: 2 })
    await store.bucket('few').insertMany([{ id: 'a' }, { id: 'b' }])
    t.match(
      await rejection(store.bucket('few').insert({ id: 'c' })),
      { name: 'QuotaExceededError', quota: 'maxRecords', limit: 2 }
    )
    await store.transaction(async tx => {
      const few = await tx.bucket('few')
      await few.insert({ id: 'c' })
      await few.delete('a')
    })
    await store.defineBucket('small', { ...thing, maxBytes: 1_000 })
    await store.bucket('small').insert({ id: 'a', text: 'x'.repeat(700) })
    await t.rejects(store.bucket('small').insert({ id: 'b', text: 'x'.repeat(700) }), QuotaExceededError)
    await t.rejects(store.bucket('small').update('a', { text: 'x'.repeat(1_000) }), QuotaExceededError)
    await store.bucket('small').update('a', { text: '' })
    await store.bucket('small').insert({ id: 'b', text: 'x'.repeat(700) })
  })
})
