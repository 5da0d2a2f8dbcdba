import { test } from 'tap'
import {
  MemoryAdapter, MemoryLog, type BucketDefinition, type Commit, type StoreRecord
} from '../src/index.js'
import { startStore } from './support/store.js'

const COUNT = 6_000
const accounts: BucketDefinition = { key: 'id', schema: { id: { type: 'number' }, v: { type: 'number' } } }
const parts: BucketDefinition = {
  key: 'id',
  schema: { id: { type: 'number' }, whole: { type: 'number', ref: 'wholes', onDelete: 'cascade' } }
}

/** Writes time and again until what it returns is called. */
function writing (write: (i: number) => Promise<unknown>): () => Promise<void> {
  const state = { isOn: true }
  const running = (async () => {
    for (let i = 0; state.isOn; i++) {
      await write(i).catch(() => {})
      await new Promise(resolve => setImmediate(resolve))
    }
  })()
  return async () => {
    state.isOn = false
    await running
  }
}

const records = Array.from({ length: COUNT }, (_, id) => ({ id, v: 1, whole: id }))

test('a backup is restored in one commit', async t => {
  t.test('of all its buckets, big and small, between the transactions of others', async t => {
    const store = await startStore(t, { persistence: { adapter: new MemoryAdapter() } })
    for (const name of ['a', 'b']) {
      await store.defineBucket(name, accounts)
      await store.bucket(name).insertMany(records)
    }
    await store.defineBucket('small', accounts)
    await store.createBackup('k')
    const commits: Commit[] = []
    store.onCommit(commit => { commits.push(commit) })
    const stop = writing(async () => {
      await store.transaction(async tx => {
        await (await tx.bucket('a')).update(5, ({ v }) => ({ v: v as number - 1 }))
        await (await tx.bucket('b')).update(5, ({ v }) => ({ v: v as number + 1 }))
      })
    })
    await new Promise(resolve => setTimeout(resolve, 5))
    await store.restoreBackup('k')
    await stop()
    const structural = commits.filter(({ changes }) => changes.some(({ type }) => type === 'redefine'))
    t.same(structural.map(({ changes }) => changes.map(change => 'bucket' in change && change.bucket)),
      [['a', 'b', 'small']])
    t.equal(await store.bucket('a').sum('v') + await store.bucket('b').sum('v'), 2 * COUNT)
  })

  t.test('with a version of its own for each record that others write meanwhile', async t => {
    const store = await startStore(t, { persistence: { adapter: new MemoryAdapter() } })
    await store.defineBucket('a', accounts)
    await store.bucket('a').insertMany(records)
    await store.createBackup('k')
    const versions = new Map<unknown, number>()
    let restored: readonly StoreRecord[] | undefined
    store.onCommit(({ changes }) => {
      for (const change of changes) {
        if (change.type === 'redefine') restored = change.records
        else if (restored === undefined && 'after' in change && change.after !== undefined) {
          versions.set(change.key, change.after._version)
        }
      }
    })
    const stop = writing(async i => {
      await store.bucket('a').update(i % COUNT, { v: -i })
      await store.bucket('a').delete(COUNT - 1 - i)
      if (i % 2 === 0) await store.bucket('a').insert({ id: COUNT - 1 - i, v: -1 })
    })
    await new Promise(resolve => setTimeout(resolve, 5))
    await store.restoreBackup('k')
    await stop()
    t.equal(restored?.length, COUNT)
    t.ok(versions.size > 10, `${versions.size} written`)
    t.same(restored?.filter(({ id, _version }) => _version <= (versions.get(id) ?? 0)), [])
    const current = await store.bucket('a').where({ v: 1 })
    const byKey = new Map(restored?.map(record => [record['id'], record._version]))
    t.same(current.filter(({ id, _version }) => _version !== byKey.get(id)), [], 'the log has the same')
  })

  t.test('after which no record of it refers to one that is not there', async t => {
    const store = await startStore(t, { persistence: { adapter: new MemoryAdapter() } })
    await store.defineBucket('wholes', accounts)
    await store.defineBucket('parts', parts)
    for (const name of ['wholes', 'parts']) await store.bucket(name).insertMany(records)
    await store.createBackup('k')
    const stop = writing(async i => { await store.bucket('wholes').delete(i) })
    await new Promise(resolve => setTimeout(resolve, 5))
    await store.restoreBackup('k')
    await stop()
    const wholes = new Set((await store.bucket('wholes').all()).map(({ id }) => id))
    t.same((await store.bucket('parts').all()).filter(({ whole }) => !wholes.has(whole)), [])
  })

  t.test('or not at all, where one of its buckets cannot be', async t => {
    const store = await startStore(t, { persistence: { adapter: new MemoryAdapter() } })
    await store.defineBucket('a', accounts)
    await store.defineBucket('b', accounts)
    for (const name of ['a', 'b']) await store.bucket(name).insertMany([{ id: 1, v: 1 }, { id: 2, v: 1 }])
    await store.createBackup('k')
    await store.bucket('a').clear()
    await store.bucket('b').clear()
    await store.dropBucket('b')
    await store.defineBucket('b', {
      ...accounts, schema: { ...accounts.schema, v: { type: 'number', unique: true } }
    })
    await t.rejects(store.restoreBackup('k'), /nique/)
    t.equal(await store.bucket('a').count(), 0)
  })

  t.test('that a log gives back', async t => {
    const log = new MemoryLog()
    const persistence = { adapter: new MemoryAdapter() }
    const store = await startStore(t, { persistence })
    await store.attachLog(log)
    for (const name of ['a', 'b']) {
      await store.defineBucket(name, accounts)
      await store.bucket(name).insertMany(records.slice(0, 3))
    }
    await store.createBackup('k')
    for (const name of ['a', 'b']) await store.bucket(name).clear()
    await store.restoreBackup('k')
    await store.stop()
    const again = await startStore(t)
    await again.attachLog(log)
    for (const name of ['a', 'b']) t.equal(await again.bucket(name).count(), 3)
  })
})
