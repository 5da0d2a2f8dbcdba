import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Store, type DurabilityNotice } from '../../src/index.js'

/** Starts a store on a log of small files, that ends with the test. */
export async function startOn (
  t: Test, directory: string, notices: DurabilityNotice[] = []
): Promise<Store> {
  const store = await Store.start({
    ttlCheckIntervalMs: 0,
    durability: {
      directory, segmentBytes: 4_096, snapshotBytes: 6_000, onNotice: notice => { notices.push(notice) }
    }
  })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  return store
}

/**
 * Makes the log of a store with orders of which each third is deleted, an empty bucket, one that does not
 * outlive the process, a query, segments, and two snapshots. Returns the store, which is open.
 */
export async function storeWithHistory (t: Test, directory: string, orders = 150): Promise<Store> {
  const store = await startOn(t, directory)
  await store.defineBucket('orders', {
    key: 'id',
    schema: {
      id: { type: 'number', generated: 'autoincrement' }, text: { type: 'string' }, at: { type: 'date' }
    },
    indexes: ['text']
  })
  await store.defineBucket('empty', { key: 'id', schema: { id: { type: 'string' } } })
  await store.defineBucket('passing', {
    key: 'id', schema: { id: { type: 'string' } }, persistent: false
  })
  store.defineDeclarativeQuery('all', { bucket: 'orders', type: 'records' } as never)
  await store.bucket('passing').insert({ id: 'passing-1' })
  for (let i = 1; i <= orders; i += 3) {
    const texts = [`kept-${i}`, `kept-${i + 1}`, `deleted-${i + 2}`]
    await Promise.all(texts.map(async text => await store.bucket('orders').insert({ text, at: new Date(i) })))
    await store.bucket('orders').delete(i + 2)
  }
  return store
}

/** Names of the files of a directory, with those of its backups, without the lock. */
export function filesOf (directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter(name => name !== 'store.lock' && statSync(join(directory, name)).isFile())
    .sort()
}

/** Changes a byte of a file. Returns what brings it back. */
export function changeByte (path: string, at: number): () => void {
  const bytes = readFileSync(path)
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] as number) ^ 2
  writeFileSync(path, changed)
  return () => { writeFileSync(path, bytes) }
}

/** The buckets of a store as text, to compare. */
export function stateOf (store: Store): string {
  const { buckets, queries } = store.image()
  return JSON.stringify({ buckets, queries })
}
