/**
 * Measures how long definitions, migrations, images and logs of a big bucket hold up the event loop:
 * node --expose-gc packages/noex-store/dist/test/bench/big-buckets.js [records]
 * Prints the time of each and its longest turn, in ms of the clock and of CPU (of all threads), and the
 * longest pause of the garbage collector, which is part of them.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { MemoryLog, Store, type BucketDefinition, type StoreRecord } from '../../src/index.js'

const count = Number(process.argv[2] ?? 1_000_000)

const definition: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'number' },
    name: { type: 'string' },
    role: { type: 'string' },
    age: { type: 'number' },
    done: { type: 'boolean' }
  },
  indexes: ['role']
}

let longestPause = 0
new PerformanceObserver(list => {
  for (const { duration } of list.getEntries()) longestPause = Math.max(longestPause, duration)
}).observe({ entryTypes: ['gc'] })

async function measure (title: string, run: () => Promise<unknown>): Promise<void> {
  globalThis.gc?.()
  await new Promise(resolve => { setTimeout(resolve, 50) })
  longestPause = 0
  let isRunning = true
  let longest = 0
  let longestCpu = 0
  const watch = (last: number, lastCpu: number): void => {
    setImmediate(() => {
      const now = performance.now()
      const { user, system } = process.cpuUsage()
      longest = Math.max(longest, now - last)
      longestCpu = Math.max(longestCpu, user + system - lastCpu)
      if (isRunning) watch(performance.now(), user + system)
    })
  }
  const { user, system } = process.cpuUsage()
  watch(performance.now(), user + system)
  await new Promise(resolve => { setImmediate(resolve) })
  const start = performance.now()
  await run()
  const time = performance.now() - start
  await new Promise(resolve => { setImmediate(resolve) })
  isRunning = false
  await new Promise(resolve => { setImmediate(resolve) })
  console.log(
    title.padEnd(52), `${time.toFixed(0)} ms`.padStart(10), `${longest.toFixed(1)}`.padStart(8),
    `${(longestCpu / 1_000).toFixed(1)}`.padStart(8), longestPause.toFixed(1).padStart(8)
  )
}

const megabytes = (): string => {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  return `heap ${(heapUsed / 1e6).toFixed(0)} MB, RSS ${(rss / 1e6).toFixed(0)} MB`
}

const store = await Store.start({ ttlCheckIntervalMs: 0 })
await store.defineBucket('b', definition)
const bucket = store.bucket('b')
for (let from = 0; from < count; from += 1_000) {
  await bucket.insertMany(Array.from({ length: Math.min(1_000, count - from) }, (_, i) => (
    { id: from + i, name: `name ${from + i}`, role: `r${i}`, age: (from + i) % 90, done: true }
  )))
}
console.log(
  `${count} records`.padEnd(52), 'time'.padStart(10),
  ...['longest', 'CPU', 'GC'].map(title => title.padStart(8))
)
await measure('updateBucket, one more index', async () => {
  await store.updateBucket('b', { addIndexes: ['name'] })
})
await measure('updateBucket while others write', async () => {
  const state = { isDone: false }
  const writing = (async () => {
    for (let i = 0; !state.isDone; i++) {
      await bucket.update(i * 7_919 % count, { age: i % 90 })
      if (i % 10 === 0) await new Promise(resolve => { setImmediate(resolve) })
    }
  })()
  await store.updateBucket('b', { addFields: { more: { type: 'number' } } })
  state.isDone = true
  await writing
})
await measure('rebuildBucket, each', async () => {
  await store.rebuildBucket('b', definition, { each: record => ({ ...record, more: 1 }) })
})
await measure('takeImage', async () => { await store.takeImage() })
await measure('ordered index, first range', async () => {
  await bucket.count({ role: { $gt: 'r99' } })
  await store.settle()
})
const log = new MemoryLog()
await measure('attachLog, empty log', async () => { await store.attachLog(log) })
const image = await store.takeImage()
const second = await Store.start({ ttlCheckIntervalMs: 0 })
await measure('attachLog, from its first entry', async () => { await second.attachLog(log) })
await second.stop()
await log.truncate(image)
const third = await Store.start({ ttlCheckIntervalMs: 0 })
await measure('attachLog, from a snapshot', async () => { await third.attachLog(log) })
await third.stop()
await measure('dropBucket', async () => { await store.dropBucket('b') })
await store.stop()

const clock = { time: 1_000_000 }
const sparse = await Store.start({ ttlCheckIntervalMs: 0, maxDeletedKeys: 0, now: () => clock.time })
await sparse.defineBucket('s', { ...definition, ttl: '1h' })
const rows = sparse.bucket('s')
console.log('before', megabytes())
for (let from = 0; from < count; from += 1_000) {
  await rows.insertMany(Array.from({ length: 1_000 }, (_, i) => (
    { id: from + i, name: `name ${from + i}`, role: `r${i}`, age: (from + i) % 90, done: true }
  )))
}
await rows.count({ age: { $gt: 5 } })
await rows.count({ role: { $gt: 'r5' } })
await sparse.settle()
console.log(`${count} records with a lifetime and an ordered index`, megabytes())
for (let id = 0; id < count; id++) {
  if (id * 7_919 % 100 === 0) continue
  await rows.delete(id)
  if (id % 1_000 === 0) await new Promise(resolve => { setImmediate(resolve) })
}
console.log(`after deleting all but ${await rows.count()}`, megabytes())
await rows.clear()
for (let from = 0; from < count; from += 1_000) {
  await rows.insertMany(Array.from({ length: 1_000 }, (_, i) => ({ id: from + i, role: `r${i}` })))
}
clock.time += 3_600_000
await measure('all expire at one moment', async () => {
  const counted: StoreRecord[] = await rows.all()
  if (counted.length > 0) throw new Error('An expired record is seen')
  await sparse.purgeTtl()
})
await sparse.stop()
