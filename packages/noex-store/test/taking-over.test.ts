import { test } from 'tap'
import {
  BucketAlreadyExistsError, DefinitionMismatchError, DefinitionMissingError, MemoryLog, Store,
  type BucketDefinition, type Commit, type LogEntry, type OpenedLog
} from '../src/index.js'
import { rejection, startStore } from './support/store.js'

const asJson = <T> (value: T): T => JSON.parse(JSON.stringify(value)) as T

/** A log that holds what a file would: JSON. */
class JsonLog extends MemoryLog {
  override async append (entries: readonly LogEntry[], previous: number): Promise<void> {
    await super.append(asJson(entries), previous)
  }

  override async open (): Promise<OpenedLog> {
    return asJson(await super.open())
  }
}

const plain: BucketDefinition = { key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } } }
const withFunctions: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    n: { type: 'number', default: () => 5, validate: value => value === 13 ? 'unlucky' : undefined },
    o: {
      type: 'object',
      properties: { list: { type: 'array', items: { type: 'string', validate: () => undefined } } }
    }
  },
  validate: record => record['n'] === 14 ? ['no'] : undefined
}
const query = { bucket: 'plain', filter: { n: { $gt: 1 } } }

/** A store that has started again on the log of another one. */
async function restarted (
  t: Parameters<typeof startStore>[0], how: 'tail' | 'snapshot' | 'late'
): Promise<Store> {
  const log = new JsonLog()
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  if (how !== 'late') await store.attachLog(log)
  await store.defineBucket('plain', plain)
  await store.defineBucket('full', withFunctions)
  await store.bucket('plain').insert({ id: 'a', n: 2 })
  await store.bucket('full').insert({ id: 'a' })
  store.defineDeclarativeQuery('q', query)
  if (how === 'late') await store.attachLog(log)
  await store.whenDurable()
  if (how === 'snapshot') await log.truncate(asJson(await store.takeImage()))
  await store.stop()
  const next = await startStore(t)
  await next.attachLog(log)
  return next
}

for (const how of ['tail', 'snapshot', 'late'] as const) {
  test(`a bucket that came from a log (${how})`, async t => {
    t.test('is there, and the same definition takes it over once', async t => {
      const store = await restarted(t, how)
      t.ok(store.hasBucket('plain') && store.hasBucket('full'))
      const { revision } = store
      await store.defineBucket('plain', { ...plain })
      t.ok(await rejection(store.defineBucket('plain', plain)) instanceof BucketAlreadyExistsError)
      await store.defineBucket('full', withFunctions)
      t.ok(await rejection(store.defineBucket('full', withFunctions)) instanceof BucketAlreadyExistsError)
      t.equal(store.revision, revision)
      t.match(await store.bucket('full').insert({ id: 'b' }), { n: 5 })
      t.match(await rejection(store.bucket('full').insert({ id: 'c', n: 13 })), { message: /unlucky/ })
      t.match(await rejection(store.bucket('full').update('a', { n: 14 })), { message: /no/ })
    })

    t.test('takes no writes while functions are missing; reads go on', async t => {
      const store = await restarted(t, how)
      const bucket = store.bucket('full')
      for (const error of await Promise.all([
        bucket.insert({ id: 'b' }), bucket.update('a', { n: 1 }), bucket.delete('a'), bucket.clear(),
        bucket.upsert({ id: 'a' }), bucket.insertMany([{ id: 'b' }]), bucket.updateMany({}, { n: 1 }),
        store.transaction(async tx => { await (await tx.bucket('full')).delete('a') })
      ].map(rejection))) {
        t.ok(error instanceof DefinitionMissingError, String(error))
        t.match(error, {
          code: 'DEFINITION_MISSING',
          message: /"full" takes no writes/,
          details: {
            reason: 'definition_missing',
            functions: [
              'schema.n.default', 'schema.n.validate', 'schema.o.properties.list.items.validate', 'validate'
            ]
          }
        })
      }
      t.match(await bucket.all(), [{ id: 'a', n: 5 }])
      await store.bucket('plain').insert({ id: 'b' })
      await store.updateBucket('full', { addFields: { more: { type: 'string' } } })
      t.ok(await rejection(bucket.delete('a')) instanceof DefinitionMissingError)
      await store.rebuildBucket('full', withFunctions)
      await bucket.insert({ id: 'b' })
    })

    t.test('is not taken over by another definition', async t => {
      const store = await restarted(t, how)
      const other = {
        ...plain, schema: { ...plain.schema, n: { type: 'string' }, m: { type: 'date' } }, indexes: ['n']
      } as const
      const error = await rejection(store.defineBucket('plain', other))
      t.ok(error instanceof DefinitionMismatchError)
      t.match(error.message, /schema\.n\.type is "string" here and "number" there; /)
      t.match(error.message, /schema\.m is \{"type":"date"\} here and absent there/)
      t.match(error.message, /indexes is \["n"\] here and absent there. Change it by updateBucket/)
      const { validate: _validate, ...less } = withFunctions
      t.match(
        await rejection(store.defineBucket('full', less)),
        { message: /validate is absent here and a function there/ }
      )
      await store.defineBucket('plain', plain)
    })

    t.test('is taken over by a definition that names the defaults', async t => {
      const store = await restarted(t, how)
      const n = { type: 'number', required: false, unique: false, onDelete: 'restrict' } as const
      const schema = { ...plain.schema, n }
      const defaults = { indexes: [], etsType: 'set', persistent: true } as const
      const required = { ...schema, n: { ...n, required: true } }
      t.match(
        await rejection(store.defineBucket('plain', { ...plain, ...defaults, schema: required })),
        { message: /schema\.n\.required is true here and absent there/ }
      )
      await store.defineBucket('plain', { ...plain, ...defaults, schema })
    })

    t.test('says in the log which functions a definition has got', async t => {
      const store = await restarted(t, how)
      const commits: Commit[] = []
      store.onCommit(commit => { commits.push(commit) })
      await store.defineBucket('plain', { ...plain, validate: () => undefined })
      t.match(commits, [{ changes: [{ type: 'redefine', bucket: 'plain', functions: ['validate'] }] }])
    })

    t.test('has the declarative queries; defining the same again is no error', async t => {
      const store = await restarted(t, how)
      t.match(await store.runQuery('q'), [{ id: 'a' }])
      const other = { ...query, limit: 1 }
      t.throws(() => { store.defineDeclarativeQuery('q', other) }, { name: 'QueryAlreadyDefinedError' })
      store.defineDeclarativeQuery('q', query)
      t.throws(() => { store.defineDeclarativeQuery('q', query) }, { name: 'QueryAlreadyDefinedError' })
    })
  })
}

test('a bucket that came by apply is taken over likewise', async t => {
  const leader = await startStore(t)
  const follower = await startStore(t)
  leader.onCommit(commit => { follower.apply(asJson(commit)) })
  await leader.defineBucket('full', withFunctions)
  await leader.bucket('full').insert({ id: 'a' })
  t.ok(await rejection(follower.bucket('full').delete('a')) instanceof DefinitionMissingError)
  await leader.bucket('full').update('a', { n: 7 })
  t.match(await follower.bucket('full').get('a'), { n: 7 })
  await follower.defineBucket('full', withFunctions)
  await leader.updateBucket('full', { addFields: { x: { type: 'number' } } })
  await follower.bucket('full').insert({ id: 'b' })
  t.match(await follower.bucket('full').get('b'), { n: 5 })
})

test('writes that are made while a store joins an empty log go to it', async t => {
  const log = new JsonLog()
  const store = await startStore(t)
  await store.defineBucket('plain', plain)
  await store.bucket('plain').insertMany(Array.from({ length: 5_000 }, (_, i) => ({ id: `k${i}` })))
  const attached = store.attachLog(log)
  const writes = Array.from({ length: 50 }, async (_, i) => {
    await store.bucket('plain').update(`k${i}`, { n: i })
    await store.bucket('plain').insert({ id: `late${i}` })
  })
  await Promise.all([attached, ...writes])
  t.equal(log.revision, store.revision)
  const copy = await startStore(t)
  await copy.attachLog(log)
  t.strictSame(await copy.bucket('plain').all(), await store.bucket('plain').all())
})

test('taking commits back leaves the order of deleted keys as it was', async t => {
  for (const maxDeletedKeys of [0, 1, 3, 100]) {
    const store = await startStore(t, { maxDeletedKeys })
    await store.defineBucket('plain', plain)
    const bucket = store.bucket('plain')
    await bucket.insertMany(Array.from({ length: 8 }, (_, i) => ({ id: `${i}` })))
    for (const key of ['1', '3', '5', '2']) await bucket.delete(key)
    const log = new MemoryLog()
    await store.attachLog(log)
    const before = JSON.stringify(store.image().buckets)
    const { revision } = store
    // Not durable before the next turn.
    const done = [
      bucket.insert({ id: '3' }), bucket.delete('4'), bucket.insert({ id: '1' }), bucket.delete('3'),
      bucket.delete('0'), bucket.insert({ id: '4' }), bucket.insert({ id: 'new' }), bucket.delete('new'),
      bucket.clear(), bucket.insert({ id: '5' }), bucket.deleteMany({ id: '5' }), store.dropBucket('plain')
    ].map(async write => { await write.catch(() => {}) })
    t.equal(store.revision, revision + 12)
    store.undo(revision)
    t.equal(JSON.stringify(store.image().buckets), before, `${maxDeletedKeys}`)
    done.length = 0
  }
})
