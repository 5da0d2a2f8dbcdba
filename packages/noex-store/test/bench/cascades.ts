/**
 * Measures a delete that causes very many others:
 * node --expose-gc packages/noex-store/dist/test/bench/cascades.js [records]
 * Prints for an application's delete, and for a client's that is refused above 10,000 changes, the time, the
 * longest turn of the event loop (both in ms) and the growth of the memory at its peak (in MB).
 */
import { Store, type BucketDefinition } from '../../src/index.js'

const count = Number(process.argv[2] ?? 1_000_000)
/** Changes that a client may make in one commit. */
const MAX_CHANGES = 10_000
const MEGABYTE = 1 << 20

const things: BucketDefinition = { key: 'id', schema: { id: { type: 'number' } } }
const notes = (ref: string, onDelete: 'cascade' | 'set_null'): BucketDefinition =>
  ({ key: 'id', schema: { id: { type: 'number' }, of: { type: 'number', ref, onDelete } } })

/** One record to which all others refer. */
async function wide (onDelete: 'cascade' | 'set_null'): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  await store.defineBucket('things', things)
  await store.defineBucket('notes', notes('things', onDelete))
  await store.bucket('things').insert({ id: 0 })
  await store.bucket('notes').insertMany(Array.from({ length: count }, (_, id) => ({ id, of: 0 })))
  return store
}

/** Records of which each refers to the one before. */
async function deep (): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  await store.defineBucket('things', notes('things', 'cascade'))
  await store.transaction(async tx => {
    const records = Array.from({ length: count }, (_, id) => ({ id, of: id === 0 ? null : id - 1 }))
    await (await tx.bucket('things')).insertMany(records)
  })
  return store
}

async function measure (title: string, run: () => Promise<unknown>): Promise<void> {
  globalThis.gc?.()
  const { heapUsed } = process.memoryUsage()
  let peak = heapUsed
  let longest = 0
  let isRunning = true
  const watch = (last: number): void => {
    setImmediate(() => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      peak = Math.max(peak, process.memoryUsage().heapUsed)
      if (isRunning) watch(now)
    })
  }
  const start = performance.now()
  watch(start)
  const end = await run().then(() => 'done', (error: Error) => error.name)
  const time = performance.now() - start
  peak = Math.max(peak, process.memoryUsage().heapUsed)
  await new Promise(resolve => { setImmediate(resolve) })
  isRunning = false
  console.log(`${title.padEnd(44)} ${end.padEnd(20)} ${time.toFixed(0).padStart(6)} ms, ` +
    `longest turn ${longest.toFixed(0).padStart(5)} ms, + ${((peak - heapUsed) / MEGABYTE).toFixed(0)} MB`)
}

for (const [title, make] of [
  ['cascade, side by side', async () => await wide('cascade')],
  ['set_null, side by side', async () => await wide('set_null')],
  ['cascade, one after the other', deep]
] as const) {
  const store = await make()
  const inTransaction = async (maxChanges?: number): Promise<void> => {
    await store.transaction(
      async tx => { await (await tx.bucket('things')).delete(0) },
      maxChanges === undefined ? {} : { maxChanges }
    )
  }
  await measure(`${title}, a client's delete`, async () => {
    await store.bucket('things').delete(0, { maxChanges: MAX_CHANGES })
  })
  await measure(`${title}, a client's transaction`, async () => { await inTransaction(MAX_CHANGES) })
  await measure(`${title}, a delete`, async () => { await store.bucket('things').delete(0) })
  await store.stop()
  const again = await make()
  await measure(`${title}, a transaction`, async () => {
    await again.transaction(async tx => { await (await tx.bucket('things')).delete(0) })
  })
  await again.stop()
}
