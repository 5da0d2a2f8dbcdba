import fc from 'fast-check'
import { test, type Test } from 'tap'
import {
  FilterError, MemoryLog, Store, isStoreError,
  type BucketDefinition, type Sort, type StoreRecord, type View, type ViewConfig,
  type WhereFilter
} from '../../src/index.js'
import { repetitions } from '../support/campaign.js'
import { FakeClock, rejection, startStore } from '../support/store.js'
import { definition, filters, operations, sorts, type Operation } from './arbitraries.js'
import { FollowingList } from './following-list.js'
import { perform } from './perform.js'

const HOUR = 3_600_000

/** A list that is shown in pages. */
interface List {
  readonly filter: WhereFilter
  readonly sort: Sort
  readonly limit: number
}

const lists: fc.Arbitrary<List> = fc.record({
  filter: fc.oneof(fc.constant<WhereFilter>({}), filters), sort: sorts, limit: fc.integer({ min: 1, max: 6 })
})
const steps = fc.array(
  operations.filter(({ kind }) => kind !== 'reopen' && kind !== 'refuse' && kind !== 'drop'),
  { minLength: 1, maxLength: 20 }
)

/** The pages of a list, from the first one to one that has no more behind it. */
class Chain {
  readonly faults: string[] = []
  readonly #store: Store
  readonly #list: List
  readonly #pages: View[] = []
  readonly #mirrors: FollowingList[] = []
  /** The end of each page, as it was last told. */
  readonly #told: Array<readonly [hasMore: boolean, nextCursor: string | null]> = []

  constructor (store: Store, list: List) {
    this.#store = store
    this.#list = list
  }

  /** Opens the pages that are missing. */
  async extend (): Promise<void> {
    for (let last = this.#pages.at(-1); last === undefined || last.hasMore; last = this.#pages.at(-1)) {
      const { limit, ...list } = this.#list
      const after = last === undefined ? {} : { after: last.nextCursor as string }
      const page = await this.#store.views.open({ bucket: 'records', ...list, page: { limit, ...after } })
      const size = (page.result() as object[]).length
      if (size > limit || (size < limit && page.hasMore)) this.faults.push(`a new page has ${size} rows`)
      this.#watch(page, this.#pages.length)
      this.#pages.push(page)
    }
  }

  /** Compares all pages together with the whole list. */
  async check (): Promise<void> {
    const { filter, sort } = this.#list
    const all = await this.#store.bucket('records').find({ filter, sort })
    const shown = this.#pages.flatMap(page => page.result() as StoreRecord[])
    const ids = (records: readonly StoreRecord[]): string => records.map(({ id }) => String(id)).join()
    if (ids(all.slice(0, shown.length)) !== ids(shown)) {
      this.faults.push(`pages show ${ids(shown)} of ${ids(all)}`)
    }
    if (this.#pages.at(-1)?.hasMore !== (shown.length < all.length)) this.faults.push('hasMore is wrong')
    for (const [i, page] of this.#pages.entries()) {
      const rows = page.result() as object[]
      const mirrored = this.#mirrors[i]?.rows ?? []
      if (rows.length !== mirrored.length || rows.some((row, at) => row !== mirrored[at])) {
        this.faults.push(`the mirror of page ${i} differs`)
      }
      if (page.size !== rows.length) this.faults.push(`page ${i} has size ${page.size}`)
      const [hasMore, nextCursor] = this.#told[i] ?? []
      if (page.hasMore !== hasMore || page.nextCursor !== nextCursor) {
        this.faults.push(`not told of the end of page ${i}`)
      }
    }
  }

  #watch (page: View, at: number): void {
    const mirror = new FollowingList(page, 'id')
    this.#mirrors.push(mirror)
    const note = (): void => { this.#told[at] = [page.hasMore, page.nextCursor] }
    note()
    const noting = (doing: () => void): void => {
      try {
        doing()
        note()
      } catch (error) {
        this.faults.push(String(error))
      }
    }
    page.listener = {
      onChange: (_revision, touches = []) => { noting(() => { mirror.apply(touches) }) },
      onReset: () => { noting(() => { mirror.reset() }) },
      onFailure: error => { this.faults.push(String(error)) },
      onDrop: () => { this.faults.push('dropped') }
    }
  }
}

async function run (list: List, steps: readonly Operation[]): Promise<void> {
  const clock = new FakeClock()
  const store = await Store.start({ ttlCheckIntervalMs: 0, now: clock.now })
  try {
    await store.defineBucket('records', definition)
    await store.bucket('records').insertMany(Array.from({ length: 16 }, (_, id) => ({ id, n: id % 5 })))
    const chain = new Chain(store, list)
    for (const [number, step] of steps.entries()) {
      await chain.extend()
      await perform(store, clock, step)
      await store.bucket('records').count()
      await store.settle()
      await chain.check()
      if (chain.faults.length > 0) throw new Error(`step ${number}: ${chain.faults.join('\n')}`)
    }
  } catch (error) {
    // A filter that cannot be used.
    if (!isStoreError(error)) throw error
  } finally {
    await store.stop()
  }
}

test('pages in a chain show each row of the list once, however rows move', { timeout: HOUR }, async t => {
  await fc.assert(
    fc.asyncProperty(lists, steps, run), { numRuns: repetitions(10_000, 60) }
  )
  t.pass('each row once')
})

const ranked: BucketDefinition = {
  key: 'id', schema: { id: { type: 'number' }, n: { type: 'number' } }
}
const rank = (i: number): StoreRecord => ({ id: i, n: i % 3 }) as unknown as StoreRecord
const idsOf = (view: View): unknown[] => (view.result() as StoreRecord[]).map(({ id }) => id)

const NOT_A_CURSOR = { constructor: FilterError, message: /page\.after must be a nextCursor/ }

/** Starts a store with two buckets of ranked records, and returns the cursor behind the first two of one. */
async function startRanked (t: Test): Promise<{ store: Store, list: ViewConfig, cursor: string }> {
  const store = await startStore(t)
  for (const name of ['records', 'others']) {
    await store.defineBucket(name, ranked)
    await store.bucket(name).insertMany([0, 1, 2, 3].map(rank))
  }
  const list: ViewConfig = { bucket: 'records', sort: { n: 'asc' } }
  const { nextCursor } = await store.views.open({ ...list, page: { limit: 2 } })
  return { store, list, cursor: nextCursor as string }
}

test('a page', async t => {
  await t.test('is longer and shorter between its bounds, and open at its end until it is full', async t => {
    const store = await startStore(t)
    await store.defineBucket('records', ranked)
    const records = store.bucket('records')
    const page = await store.views.open({ bucket: 'records', sort: { n: 'asc' }, page: { limit: 2 } })
    t.same([idsOf(page), page.hasMore, page.nextCursor], [[], false, null])
    await records.insertMany([{ id: 1, n: 10 }, { id: 2, n: 20 }, { id: 3, n: 30 }])
    t.same([idsOf(page), page.hasMore], [[1, 2], true], 'full: it ends behind the second row')
    await records.insert({ id: 4, n: 15 })
    t.same(idsOf(page), [1, 4, 2], 'longer than its limit')
    await records.update(2, { n: 40 })
    t.same(idsOf(page), [1, 4], 'its end stays where the row was')
    const next = await store.views.open({
      bucket: 'records', sort: { n: 'asc' }, page: { limit: 2, after: page.nextCursor as string }
    })
    t.same([idsOf(next), next.hasMore], [[3, 2], false])
    await records.insert({ id: 5, n: 20 })
    t.same([idsOf(page), idsOf(next)], [[1, 4], [5, 3, 2]], 'behind the bound, where it came later')
  })

  await t.test('goes on from a deleted record, also after a restart on the log', async t => {
    for (const sort of [{}, { n: 'desc' }] as const) {
      const log = new MemoryLog()
      const before = await startStore(t)
      await before.defineBucket('records', ranked)
      await before.bucket('records').insertMany([0, 1, 2, 3, 4, 5].map(rank))
      await before.attachLog(log)
      const list = { bucket: 'records', sort }
      const page = await before.views.open({ ...list, page: { limit: 3 } })
      const after = page.nextCursor as string
      const [, , last] = idsOf(page)
      const rest = idsOf(await before.views.open({ ...list, page: { limit: 9, after } }))
      t.equal(rest.length, 3)
      await before.bucket('records').delete(last)
      t.same(idsOf(await before.views.open({ ...list, page: { limit: 9, after } })), rest)
      await before.stop()
      const restarted = await startStore(t)
      await restarted.attachLog(log)
      t.same(idsOf(await restarted.views.open({ ...list, page: { limit: 9, after } })), rest)
    }
  })

  await t.test('of a new process tells in a scope of no record outside of it', async t => {
    const log = new MemoryLog()
    const before = await startStore(t)
    await before.defineBucket('records', ranked)
    await before.attachLog(log)
    await before.bucket('records').insertMany([0, 1, 2, 3, 4, 5].map(rank))
    const { nextCursor } = await before.views.open({ bucket: 'records', page: { limit: 2 } })
    await before.stop()
    const store = await startStore(t)
    await store.attachLog(log)
    const after = nextCursor as string
    const open = async (scope: WhereFilter): Promise<View> =>
      await store.views.open({ bucket: 'records', page: { limit: 9, after } }, { scope })
    t.same(idsOf(await open({ n: 1 })), [4], 'record 1 is in the scope')
    const error = await rejection(open({ n: 0 }))
    t.match([error.constructor, error.message], [FilterError, /not known any more/])
  })

  await t.test('is found by its key once the bucket has been rebuilt', async t => {
    const store = await startStore(t)
    await store.defineBucket('records', ranked)
    await store.bucket('records').insertMany([0, 1, 2, 3].map(rank))
    const { nextCursor } = await store.views.open({ bucket: 'records', page: { limit: 2 } })
    await store.rebuildBucket(
      'records', ranked, records => records.map(([key, record]) => [key, { ...record, n: 7 }])
    )
    const after = nextCursor as string
    t.same(idsOf(await store.views.open({ bucket: 'records', page: { limit: 9, after } })), [2, 3])
  })

  await t.test('refuses a cursor that is none', async t => {
    const { store, list, cursor } = await startRanked(t)
    const textOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const [digest] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const partsOfCursors = [
      ['-1', 'n1', 'n1'], ['1', 'n1'], ['1', 'x', 'n1'], ['1', 'n1', 'nx'], ['1', 'n1', 'btrue'],
      ['1', 'n1', `i${'9'.repeat(1_001)}`]
    ]
    await store.views.open({ ...list, page: { limit: 1, after: textOf([digest, 'a', '1', 'n1', 'n1']) } })
    for (const after of [
      '', 'x', 7, {}, textOf({}), textOf([]), textOf([1]), textOf([digest]),
      ...partsOfCursors.map(parts => textOf([digest, 'a', ...parts]))
    ]) {
      const page = { limit: 1, after: after as string }
      t.match(await rejection(store.views.open({ ...list, page })), NOT_A_CURSOR)
    }
  })

  await t.test('refuses the cursor of another bucket or order', async t => {
    const { store, list, cursor } = await startRanked(t)
    const page = { limit: 1, after: cursor }
    const others: readonly ViewConfig[] = [
      { bucket: 'others', sort: { n: 'asc' } },
      { bucket: 'records' },
      { bucket: 'records', sort: { n: 'desc' } },
      { bucket: 'records', sort: { id: 'asc' } },
      { bucket: 'records', sort: { n: 'asc', id: 'asc' } }
    ]
    for (const other of others) {
      t.match(await rejection(store.views.open({ ...other, page })), NOT_A_CURSOR, JSON.stringify(other))
    }
    t.same(idsOf(await store.views.open({ ...list, filter: { id: { $ne: 2 } }, page })), [1])
  })
})
