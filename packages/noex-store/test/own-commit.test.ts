import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { MemoryLog, Store, type LogEntry } from '../src/index.js'

/** A log that never answers for inserts into the bucket `big`, nor for commits behind them. */
class StuckLog extends MemoryLog {
  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    const changes = entries.flatMap(entry => entry.changes)
    const isStuck = changes.some(change => change.type === 'insert' && change.bucket === 'big')
    if (isStuck) await new Promise(() => {})
    await super.append(entries, previousRevision)
  }
}

const schema = { id: { type: 'string' as const }, n: { type: 'number' as const } }
const slow = { type: 'number' as const, validate: async () => await delay(1, undefined) }

const writes: Record<string, (store: Store) => Promise<unknown>> = {
  insert: store => store.bucket('items').insert({ id: 'b', n: 1 }),
  'insert behind a validator': store => store.bucket('checked').insert({ id: 'b', n: 1 }),
  insertMany: store => store.bucket('items').insertMany([{ id: 'b' }, { id: 'c' }]),
  'insertMany in slices': store =>
    store.bucket('items').insertMany(Array.from({ length: 2_000 }, (_, i) => ({ id: `b${i}` }))),
  'insertMany behind a validator': store => store.bucket('checked').insertMany([{ id: 'b', n: 1 }]),
  update: store => store.bucket('items').update('a', { n: 2 }),
  'update behind a validator': store => store.bucket('checked').update('a', { n: 2 }),
  updateMany: store => store.bucket('items').updateMany({}, { n: 2 }),
  upsert: store => store.bucket('checked').upsert({ id: 'a', n: 2 }),
  delete: store => store.bucket('items').delete('a'),
  deleteMany: store => store.bucket('items').deleteMany({}),
  clear: store => store.bucket('items').clear(),
  transaction: async store => {
    await store.transaction(async tx => { await (await tx.bucket('items')).update('a', { n: 2 }) })
  },
  defineBucket: store => store.defineBucket('more', { key: 'id', schema }),
  updateBucket: store => store.updateBucket('items', { addFields: { more: { type: 'string' } } }),
  rebuildBucket: store => store.rebuildBucket('items', { key: 'id', schema }, { each: record => record }),
  dropBucket: store => store.dropBucket('items')
}

for (const [name, write] of Object.entries(writes)) {
  t.test(`${name} waits for its own commit, and not for later ones`, async t => {
    const store = await Store.start({ ttlCheckIntervalMs: 0 })
    await store.attachLog(new StuckLog())
    await store.defineBucket('items', { key: 'id', schema })
    await store.defineBucket('checked', { key: 'id', schema: { ...schema, n: slow } })
    await store.defineBucket('big', {
      key: 'id', schema: { id: { type: 'string' }, text: { type: 'string' } }
    })
    await store.bucket('items').insert({ id: 'a', n: 1 })
    await store.bucket('checked').insert({ id: 'a', n: 1 })
    // The log has nothing more to do.
    await delay(5)
    let later = 0
    const stop = store.onCommit(({ revision }) => {
      stop()
      // The writer has not gone on yet. A commit as big as this has a group of its own.
      queueMicrotask(() => {
        later = revision + 1
        store.bucket('big').insert({ id: 'b', text: 'x'.repeat(2_000_000) }).catch(() => {})
      })
    })
    const waiting = new AbortController()
    const outcome = await Promise.race([
      write(store).then(() => 'durable'),
      delay(1_000, 'waiting', waiting)
    ])
    waiting.abort()
    t.equal(outcome, 'durable')
    t.equal(store.revision, later)
    t.equal(store.durability.durableRevision, later - 1)
  })
}
