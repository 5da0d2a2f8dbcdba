/**
 * Measures how long writes of many records hold up the event loop in one piece:
 * node packages/noex-store/dist/test/bench/longest-step.js [records]
 * Prints the CPU time of the longest step and of all in milliseconds, the least of nine rounds.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Store, type BucketDefinition } from '../../src/index.js'

const COUNT = Number(process.argv[2] ?? 10_000)
const ROUNDS = 9

const definition: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string', generated: 'uuid' },
    name: { type: 'string', required: true },
    role: { type: 'string' },
    email: { type: 'string', unique: true },
    age: { type: 'number', min: 0 },
    parent: { type: 'string', ref: 'parents', onDelete: 'cascade' }
  },
  indexes: ['role', 'age']
}

const row = (i: number): Record<string, unknown> =>
  ({ id: `${i}`, name: `name ${i}`, role: `r${i % 1_000}`, email: `${i}@x`, age: i % 90, parent: 'p' })

const rows = (from: number): Array<Record<string, unknown>> =>
  Array.from({ length: COUNT }, (_, i) => row(from + i))

/** CPU time of this process so far, in milliseconds. */
function cpu (): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** Runs work and looks each turn for how long the turns take. */
async function measure (work: () => Promise<unknown>): Promise<readonly [longest: number, whole: number]> {
  let longest = 0
  await nextTurn()
  const startedAt = cpu()
  let before = startedAt
  const look = (): void => {
    const now = cpu()
    longest = Math.max(longest, now - before)
    before = now
  }
  const working = work().then(() => true)
  const turn = async (): Promise<false> => {
    await nextTurn()
    return false
  }
  while (!await Promise.race([working, turn()])) look()
  look()
  return [longest, cpu() - startedAt]
}

type Work = (store: Store) => Promise<unknown>

const works: ReadonlyArray<readonly [name: string, work: Work, isPrepared?: false]> = [
  ['insertMany', async store => await store.bucket('b').insertMany(rows(COUNT)), false],
  [
    'updateMany',
    async store => await store.bucket('b').updateMany({ name: { $exists: true } }, { role: 'x', age: 5 })
  ],
  ['deleteMany', async store => await store.bucket('b').deleteMany({ name: { $exists: true } })],
  ['cascade', async store => { await store.bucket('parents').delete('p') }],
  ['transaction of updates', async store => {
    await store.transaction(async tx => {
      const bucket = await tx.bucket('b')
      for (let i = 0; i < COUNT; i++) await bucket.update(`${i}`, { role: 'x', age: i })
    })
  }],
  ['transaction of inserts', async store => {
    await store.transaction(async tx => { await (await tx.bucket('b')).insertMany(rows(COUNT)) })
  }, false],
  ['clear', async store => { await store.bucket('b').clear() }]
]

for (const [name, work, isPrepared = true] of works) {
  let best = [Infinity, Infinity] as readonly [number, number]
  for (let round = 0; round < ROUNDS; round++) {
    const store = await Store.start()
    await store.defineBucket('parents', { key: 'id', schema: { id: { type: 'string' } } })
    await store.bucket('parents').insert({ id: 'p' })
    await store.defineBucket('b', definition)
    if (isPrepared) {
      await store.bucket('b').insertMany(rows(0))
      // Has the ordered index built.
      await store.bucket('b').where({ age: { $gt: 1_000 } })
      await store.settle()
    }
    const [longest, whole] = await measure(async () => await work(store))
    if (longest < best[0]) best = [longest, whole]
    await store.stop()
  }
  process.stdout.write(`${name.padEnd(24)} ${best[0].toFixed(1).padStart(8)} of ${best[1].toFixed(1)} ms\n`)
}
