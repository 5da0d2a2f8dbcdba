/**
 * Compares the store with the registry's package in one process, round by round in turn:
 * node packages/noex-store/dist/test/bench/compare.js [rounds]
 * Prints the CPU per operation in µs (least of all rounds) and the ratio.
 */
import * as registry from 'registry-noex-store'
import * as own from '../../src/index.js'

type Open = () => Promise<registry.Store>

/** A piece of work: `prepare` is not measured. Returns the number of operations of `run`. */
interface Work {
  readonly name: string
  readonly prepare: (store: registry.Store) => Promise<void>
  readonly run: (store: registry.Store) => Promise<number>
  /** Whether `run` cannot run once before it is measured, to be warm. */
  readonly isOnce?: true
}

const definition: registry.BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string', generated: 'uuid' },
    name: { type: 'string', required: true },
    role: { type: 'string' },
    age: { type: 'number', min: 0 },
    active: { type: 'boolean' }
  },
  indexes: ['role']
}

const rows = (count: number, from = 0): Array<Record<string, unknown>> =>
  Array.from({ length: count }, (_, i) =>
    ({ id: `${from + i}`, name: `name ${i}`, role: `r${i % 1_000}`, age: i % 90, active: true }))

const fill = (count: number) => async (store: registry.Store): Promise<void> => {
  await store.defineBucket('b', definition)
  for (let i = 0; i < count; i += 10_000) {
    await store.bucket('b').insertMany(
      rows(Math.min(10_000, count - i), i)
    )
  }
}

const repeat = (count: number, run: (bucket: registry.BucketHandle, i: number) => Promise<unknown>) =>
  async (store: registry.Store): Promise<number> => {
    const bucket = store.bucket('b')
    for (let i = 0; i < count; i++) await run(bucket, i)
    return count
  }

const SIZE = 100_000
/** Made before, so that no work pays for making texts. */
const keys = Array.from({ length: SIZE }, (_, i) => `${i}`)
const key = (i: number): string => keys[i % SIZE] as string

const works: Work[] = [
  { name: 'get', prepare: fill(SIZE), run: repeat(200_000, (bucket, i) => bucket.get(key(i * 7_919))) },
  {
    name: 'insert, uuid + 4 fields, 1 index',
    prepare: fill(0),
    run: repeat(
      30_000, (bucket, i) => bucket.insert({ name: 'x', role: `r${i % 1_000}`, age: i % 90, active: true })
    )
  },
  {
    name: 'update 1 field',
    prepare: fill(SIZE),
    run: repeat(30_000, (bucket, i) => bucket.update(key(i), { age: 5 }))
  },
  {
    name: 'delete',
    isOnce: true,
    prepare: fill(30_000),
    run: repeat(30_000, (bucket, i) => bucket.delete(key(i)))
  },
  {
    name: 'insertMany of 10,000, per record',
    isOnce: true,
    prepare: fill(0),
    async run (store) {
      for (let i = 0; i < 5; i++) await store.bucket('b').insertMany(rows(10_000, i * 10_000))
      return 50_000
    }
  },
  {
    name: 'transaction of 2 updates',
    prepare: fill(SIZE),
    async run (store) {
      for (let i = 0; i < 5_000; i++) {
        await store.transaction(async tx => {
          const bucket = await tx.bucket('b')
          await bucket.update(key(i), { age: 1 })
          await bucket.update(key(i + 10_000), { age: 2 })
        })
      }
      return 5_000
    }
  },
  {
    name: 'transaction of 100 updates, per update',
    prepare: fill(SIZE),
    async run (store) {
      for (let i = 0; i < 100; i++) {
        await store.transaction(async tx => {
          const bucket = await tx.bucket('b')
          for (let j = 0; j < 100; j++) await bucket.update(key(i * 100 + j), { age: 1 })
        })
      }
      return 10_000
    }
  },
  {
    name: 'where by index, 100 rows',
    prepare: fill(SIZE),
    run: repeat(2_000, (bucket, i) => bucket.where({ role: `r${i % 1_000}` }))
  },
  {
    name: '$in of 3 by index, 300 rows',
    prepare: fill(SIZE),
    run: repeat(5, (bucket, i) => bucket.where({ role: { $in: ['r1', 'r2', `r${i}`] } }))
  },
  {
    name: 'where without index, per row',
    prepare: fill(SIZE),
    run: async store => await repeat(5, bucket => bucket.where({ name: 'none' }))(store) * SIZE
  },
  { name: 'first(20)', prepare: fill(SIZE), run: repeat(500, bucket => bucket.first(20)) },
  {
    name: 'paginate 20 after a key',
    prepare: fill(SIZE),
    run: repeat(500, (bucket, i) => bucket.paginate({ after: key(i * 199), limit: 20 }))
  },
  {
    name: 'count by index',
    prepare: fill(SIZE),
    run: repeat(500, (bucket, i) => bucket.count({ role: `r${i}` }))
  },
  {
    name: 'insert at maxSize 20,000',
    async prepare (store) {
      await store.defineBucket('b', { ...definition, maxSize: 20_000 })
      for (let i = 0; i < 2; i++) await store.bucket('b').insertMany(rows(10_000, i * 10_000))
    },
    run: repeat(300, (bucket, i) => bucket.insert({ name: 'x', role: `r${i}`, age: 1, active: true }))
  }
]

async function measure (open: Open, { prepare, run, isOnce }: Work): Promise<number> {
  const store = await open()
  await prepare(store)
  if (isOnce !== true) await run(store)
  const before = process.cpuUsage()
  const operations = await run(store)
  const { user, system } = process.cpuUsage(before)
  await store.stop()
  return (user + system) / operations
}

const rounds = Number(process.argv[2] ?? 3)
const stores: ReadonlyArray<readonly [string, Open]> = [
  ['registry', async () => await registry.Store.start({ ttlCheckIntervalMs: 0 })],
  ['own', async () => await own.Store.start({ ttlCheckIntervalMs: 0 }) as unknown as registry.Store]
]
console.log(
  'µs of CPU per operation'.padEnd(44), '0.2.0'.padStart(10), 'own'.padStart(10), 'ratio'.padStart(8)
)
for (const work of works) {
  const least = [Infinity, Infinity]
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, open]] of stores.entries()) {
      least[i] = Math.min(
        least[i] as number, await measure(open, work)
      )
    }
  }
  const [theirs, ours] = least as [number, number]
  const format = (value: number): string => value.toFixed(value < 1 ? 3 : 1)
  console.log(
    work.name.padEnd(44), format(theirs).padStart(10), format(ours).padStart(10),
    (ours / theirs).toFixed(3).padStart(8)
  )
}
