/**
 * Prints what a write costs beside the views of a store, and how that grows with their number and their rows:
 * node --expose-gc dist/bench/store/views.js [growth|lists|held|steps]…
 * µs of CPU for a write of one record; the median of five rounds.
 */
import { setImmediate as nextTurn, setTimeout } from 'node:timers/promises'
import { Store, type View, type ViewConfig, type WhereFilter } from '@hamicek/noex-store'
import { median } from '../driver/statistics.js'

const ROUNDS = 5
const WARM_UP = 2
const WRITES = 2_000
const BATCH = 10_000

/** Rows of the bucket beside which the number of views grows. */
const FEW_ROWS = 1_000
const VIEWS = [0, 1, 100, 1_000, 10_000] as const
const ROWS = [1_000, 10_000, 100_000] as const
const MANY_ROWS = [10_000, 100_000, 1_000_000] as const

type Fields = Record<string, unknown>

/** Views of which each differs from the others by a parameter. */
interface Parametrised {
  readonly name: string
  readonly view: (i: number) => { readonly filter: WhereFilter, readonly scope?: WhereFilter }
}

const parametrised: readonly Parametrised[] = [
  { name: 'role = $x', view: i => ({ filter: { role: `r${i}` } }) },
  { name: 'row rule owner = $user', view: i => ({ filter: { state: 's0' }, scope: { owner: `r${i}` } }) },
  { name: 'state = s0, role = $x', view: i => ({ filter: { state: 's0', role: `r${i}` } }) },
  { name: '$or of two roles', view: i => ({ filter: { $or: [{ role: `r${i}` }, { owner: `r${i + 1}` }] } }) },
  { name: 'rank in a band', view: i => ({ filter: { rank: { $gte: i * 100, $lt: i * 100 + 100 } } }) },
  { name: 'text begins with $x', view: i => ({ filter: { name: { $startsWith: `n${i}-` } } }) }
]

const record = (i: number): Fields => ({
  id: i,
  name: `n${i % 10_000}-${i}`,
  role: `r${i % 10_000}`,
  owner: `r${i % 10_000}`,
  state: `s${i % 2}`,
  rank: i * 7_919 % 1_000_000,
  score: i % 97
})

async function startStore (rows: number): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  await store.defineBucket('records', {
    key: 'id', schema: { id: { type: 'number' }, role: { type: 'string' }, rank: { type: 'number' } }
  })
  for (let from = 0; from < rows; from += BATCH) {
    await store.bucket('records').insertMany(
      Array.from({ length: Math.min(BATCH, rows - from) }, (_, i) => record(from + i))
    )
  }
  return store
}

/** A listener as a server has one: it looks up what was touched. */
function listenTo (view: View): void {
  view.listener = {
    onChange: (_revision, touches = []) => {
      for (const { key, moved } of touches) if (view.row(key) !== undefined && moved) view.indexOf(key)
    },
    onReset: () => {},
    onFailure: error => { throw error },
    onDrop: () => {}
  }
}

async function open (store: Store, config: ViewConfig, scope?: WhereFilter): Promise<View> {
  const view = await store.views.open(config, scope && { scope })
  listenTo(view)
  return view
}

/** µs of CPU for a write. */
async function microsOf (write: (i: number) => Promise<unknown>, writes = WRITES): Promise<number> {
  const rounds: number[] = []
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const before = process.cpuUsage()
    for (let i = 0; i < writes; i++) await write(round * writes + i)
    const { user, system } = process.cpuUsage(before)
    if (round >= WARM_UP) rounds.push((user + system) / writes)
  }
  return median(rounds)
}

/** Updates records in turn, so that the fields by which views differ change. */
function writer (store: Store, rows: number): (i: number) => Promise<unknown> {
  const records = store.bucket('records')
  return i => records.update(i * 7 % rows, {
    role: `r${i % FEW_ROWS}`, owner: `r${i % FEW_ROWS}`, state: `s${i % 3}`, rank: i * 31 % 100_000
  })
}

function print (name: string, values: readonly number[], unit: string): void {
  const texts = values.map(value => value >= 100 ? value.toFixed(0) : value.toFixed(1))
  console.log(`${name.padEnd(44)} ${texts.map(text => text.padStart(9)).join('')}  ${unit}`)
}

async function printGrowth (): Promise<void> {
  console.log(`\nviews with other parameters over ${FEW_ROWS} rows: ${VIEWS.join(' · ')}`)
  for (const { name, view } of parametrised) {
    const micros: number[] = []
    for (const count of VIEWS) {
      const store = await startStore(FEW_ROWS)
      for (let i = 0; i < count; i++) {
        const { filter, scope } = view(i)
        await open(store, { bucket: 'records', filter }, scope)
      }
      micros.push(await microsOf(writer(store, FEW_ROWS)))
      await store.stop()
    }
    print(name, micros, 'µs/write')
  }
}

const lists: ReadonlyArray<readonly [name: string, config: Omit<ViewConfig, 'bucket'>]> = [
  ['whole list, sorted', { sort: { rank: 'asc' } }],
  ['sorted, limit 10', { sort: { rank: 'asc' }, limit: 10 }],
  ['sorted, offset in the middle, limit 10', { sort: { rank: 'asc' }, offset: 500, limit: 10 }],
  ['page of 50, sorted by two', { sort: { state: 'asc', rank: 'desc' }, page: { limit: 50 } }],
  ['whole list, unsorted', {}]
]
const aggregates: ReadonlyArray<readonly [name: string, config: Omit<ViewConfig, 'bucket'>]> = [
  ['count with a filter', { filter: { state: 's1' }, aggregate: { function: 'count' } }],
  ['unindexed list that finds few', { filter: { name: 'n5-5' } }],
  ['greatest with a filter', { filter: { state: 's1' }, aggregate: { function: 'max', field: 'rank' } }]
]

async function printLists (
  sizes: readonly number[], all: ReadonlyArray<readonly [name: string, config: Omit<ViewConfig, 'bucket'>]>
): Promise<void> {
  console.log(`\none view, rows of the bucket: ${sizes.join(' · ')}`)
  const figures = new Map<string, { micros: number[], ms: number[], mb: number[] }>()
  const base: number[] = []
  for (const size of sizes) {
    const store = await startStore(size)
    base.push(await microsOf(writer(store, size)))
    for (const [name, config] of all) {
      const figure = figures.get(name) ?? { micros: [], ms: [], mb: [] }
      figures.set(name, figure)
      const began = process.cpuUsage()
      const view = await open(store, { bucket: 'records', ...config })
      const { user, system } = process.cpuUsage(began)
      figure.ms.push((user + system) / 1_000)
      figure.micros.push(await microsOf(writer(store, size)))
      figure.mb.push(store.views.bytes / 1e6)
      view.close()
    }
    await store.stop()
  }
  print('no view', base, 'µs/write')
  for (const [name, { micros, ms, mb }] of figures) {
    print(name, micros, 'µs/write')
    print('', ms, 'ms to open')
    print('', mb, 'MB estimated')
  }
}

/** Compares the estimated bytes of views with those of the heap. */
async function printHeld (): Promise<void> {
  console.log('\nbytes of a view: estimated · in the heap')
  const collect = async (): Promise<number> => {
    for (let i = 0; i < 4; i++) {
      await setTimeout(20)
      globalThis.gc?.()
    }
    return process.memoryUsage().heapUsed
  }
  const cases: ReadonlyArray<readonly [number, number, (i: number) => Omit<ViewConfig, 'bucket'>]> = [
    [FEW_ROWS, 10_000, (i: number) => ({ filter: { role: `r${i}` } })],
    [FEW_ROWS, 10_000, (i: number) => ({ filter: { role: `x${i}` }, aggregate: { function: 'count' } })],
    [100_000, 1, () => ({ sort: { rank: 'asc' } })],
    [100_000, 1, () => ({ sort: { rank: 'asc' }, fields: ['id', 'name'] })]
  ]
  for (const [rows, count, config] of cases) {
    const store = await startStore(rows)
    const views: View[] = []
    for (let i = 0; i < count; i++) views.push(await open(store, { bucket: 'records', ...config(i) }))
    for (const view of views) view.result()
    const full = await collect()
    const bytes = views.reduce((sum, view) => sum + view.bytes, 0)
    if (bytes !== store.views.bytes) throw new Error(`views hold ${bytes}, the store ${store.views.bytes}`)
    for (const view of views.splice(0)) view.close()
    const held = full - await collect()
    print(JSON.stringify(config(0)), [bytes / count, held / count], 'bytes')
    await store.stop()
  }
}

/** Looks each turn for how long the turns take while work is done, all that follows from it too. */
async function longestStep (
  store: Store, work: () => Promise<unknown>
): Promise<readonly [longest: number, whole: number]> {
  await nextTurn()
  const began = performance.now()
  let longest = 0
  const working = work().then(async () => { await store.settle() }).then(() => true)
  for (let before = began, isDone = false; !isDone;) {
    isDone = await Promise.race([working, nextTurn(false)])
    const now = performance.now()
    longest = Math.max(longest, now - before)
    before = now
  }
  return [longest, performance.now() - began]
}

/** Compares how long the loop is held where one commit concerns much, with views and without. */
async function printSteps (): Promise<void> {
  console.log('\nlongest step · whole, ms; the least of three rounds each')
  const measure = async (
    name: string, rows: number, views: ReadonlyArray<Omit<ViewConfig, 'bucket'>>,
    work: (store: Store) => Promise<unknown>
  ): Promise<void> => {
    for (const opened of [[], views]) {
      const rounds: Array<readonly [longest: number, whole: number]> = []
      for (let round = 0; round < 3; round++) {
        const store = await startStore(rows)
        for (const config of opened) await open(store, { bucket: 'records', ...config })
        rounds.push(await longestStep(store, async () => await work(store)))
        await store.stop()
      }
      const least = [0, 1].map(i => Math.min(...rounds.map(figures => figures[i] as number)))
      print(opened.length === 0 ? `${name}, no views` : name, least, 'ms')
    }
  }
  const many = (of: (i: number) => Omit<ViewConfig, 'bucket'>): Array<Omit<ViewConfig, 'bucket'>> =>
    Array.from({ length: 10_000 }, (_, i) => of(i))
  const all = async (store: Store): Promise<unknown> =>
    await store.bucket('records').updateMany({}, { score: 1 })
  const one = async (store: Store): Promise<unknown> => await store.bucket('records').update(1, { rank: 5 })
  await measure(
    '10,000 windows on one list, one write', 1_000, many(i => ({ offset: i % 900, limit: 10 })), one
  )
  await measure(
    '10,000 open ranges, one write', 1_000, many(i => ({ filter: { rank: { $gt: -i } } })), one
  )
  await measure('20 lists, 20,000 records in one commit', 20_000, Array.from({ length: 20 }, (_, i) => (
    { sort: { score: 'asc', rank: 'asc' }, limit: 10 + i } as const
  )), all)
  await measure('10,000 views, cleared', 1_000, many(i => ({ filter: { rank: { $gt: -i } } })),
    async store => { await store.bucket('records').clear() })
  await measure(
    '10,000 views, redefined', 1_000, many(i => ({ filter: { rank: { $lt: i * 100 - 990_000 } } })),
    async store => { await store.updateBucket('records', { addFields: { more: { type: 'string' } } }) }
  )
  await measure('a list of 200,000 is opened', 200_000, [], async store => {
    await open(store, { bucket: 'records', sort: { rank: 'asc' } })
  })
}

const parts = process.argv.length > 2 ? process.argv.slice(2) : ['growth', 'lists', 'held', 'steps']
if (parts.includes('growth')) await printGrowth()
if (parts.includes('lists')) {
  await printLists(ROWS, lists)
  await printLists(MANY_ROWS, aggregates)
}
if (parts.includes('held')) await printHeld()
if (parts.includes('steps')) await printSteps()
