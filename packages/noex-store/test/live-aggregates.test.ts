import { inspect, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { AggregateOverflowError, type Aggregate, type StoreRecord } from '../src/index.js'
import { accumulate, Groups } from '../src/query/aggregate.js'
import { TextWork } from '../src/query/work.js'
import { compileSchema } from '../src/schema/bucket-schema.js'
import { slicer } from '../src/scan/slicer.js'
import { liveAggregate } from '../src/view/live-aggregate.js'
import { anyNumber } from './support/numbers.js'
import { repetitions } from './support/campaign.js'

const { normalizeOf } = compileSchema('things', {
  key: 'id', schema: { id: { type: 'number' }, n: { type: 'number' }, d: { type: 'date' } }
})
const functions = ['count', 'sum', 'avg', 'min', 'max'] as const
/** Records by their places. */
type Placed = Map<number, StoreRecord>
type Config = Aggregate & { readonly groupBy?: string | readonly string[] }

/** The plain evaluation: all records in the order of their places. */
async function plain ({ groupBy, ...aggregate }: Config, placed: Placed): Promise<unknown> {
  const records = [...placed].sort(([a], [b]) => a - b).map(([, record]) => record)
  if (groupBy === undefined) {
    const accumulator = accumulate(aggregate)
    for (const record of records) accumulator.add(record)
    return accumulator.result()
  }
  const groups = new Groups(groupBy, aggregate, normalizeOf, new TextWork({ take () {} }))
  for (const record of records) groups.add(record)
  return await groups.results(slicer)
}

async function outcomeOf (run: () => unknown): Promise<unknown> {
  try {
    return { value: await run() }
  } catch (error) {
    if (!(error instanceof AggregateOverflowError)) throw error
    return { error: error.message }
  }
}

const anyValue = fc.oneof(
  { weight: 6, arbitrary: anyNumber },
  fc.constantFrom<unknown>(NaN, Infinity, undefined, null, '7', true, [1], { a: 1 }, new Date(5))
)
const anyRecord = fc.record({
  n: anyValue,
  g: fc.constantFrom<unknown>(1, '1', 'a', null, undefined, -0, 0, 'x'.repeat(200), true, 'null'),
  d: fc.constantFrom<unknown>(1_000, new Date(1_000), '1970-01-01T00:00:01Z', '1970-01-01', null, 'soon'),
  o: fc.constantFrom<unknown>({ p: 1 }, { p: '1' }, { p: null }, 5)
}, { requiredKeys: [] }) as unknown as fc.Arbitrary<StoreRecord>

/** Puts a record into a place, replacing one that is there; without a record empties the place. */
interface Move {
  readonly place: number
  readonly record: StoreRecord | undefined
}
const anyMove: fc.Arbitrary<Move> = fc.record({
  place: fc.nat(24), record: fc.option(anyRecord, { nil: undefined, freq: 3 })
})

async function follow (t: Test, config: Config, moves: readonly Move[]): Promise<void> {
  const live = liveAggregate(config, normalizeOf)
  const empty = live.bytes
  const placed: Placed = new Map()
  for (const { place, record } of moves) {
    const former = placed.get(place)
    // As views do: what is removed need not be the same object.
    if (former !== undefined) live.remove({ ...former }, place)
    placed.delete(place)
    if (record !== undefined) {
      live.add(record, place)
      placed.set(place, record)
    }
    const [ours, right] = [await outcomeOf(() => live.result()), await outcomeOf(() => plain(config, placed))]
    if (!isDeepStrictEqual(ours, right)) throw new Error(`${inspect(ours)} instead of ${inspect(right)}`)
  }
  for (const [place, record] of placed) live.remove(record, place)
  t.strictSame(live.result(), await plain(config, new Map()))
  t.ok(live.bytes - empty <= 800, 'nothing is kept of records that are gone')
}

for (const name of functions) {
  test(`${name} follows records that come, change and go`, async t => {
    const runs = fc.tuple(
      fc.constantFrom<string | readonly string[] | undefined>(
        undefined, undefined, 'g', 'd', 'o.p', ['g', 'd'], ['g', 'g'], []
      ),
      fc.array(anyMove, { maxLength: 60, size: 'max' })
    )
    await fc.assert(fc.asyncProperty(runs, async ([groupBy, moves]) => {
      await follow(t, { function: name, field: 'n', ...groupBy !== undefined && { groupBy } }, moves)
    }), { numRuns: repetitions(5_000, 60) })
  })
}

const record = (values: Readonly<Record<string, unknown>>): StoreRecord => values as unknown as StoreRecord

test('a group shows the key of its first record, and stands at its place', async t => {
  const live = liveAggregate({ function: 'count', groupBy: 'g' }, normalizeOf)
  const [text, number, other] = [record({ g: '1' }), record({ g: 1 }), record({ g: 2 })]
  live.add(number, 7)
  live.add(other, 5)
  t.strictSame(live.result(), [{ key: { g: 2 }, value: 1 }, { key: { g: 1 }, value: 1 }])
  live.add(text, 3)
  t.strictSame(live.result(), [{ key: { g: '1' }, value: 2 }, { key: { g: 2 }, value: 1 }])
  live.remove(text, 3)
  t.strictSame(live.result(), [{ key: { g: 2 }, value: 1 }, { key: { g: 1 }, value: 1 }])
  live.remove(other, 5)
  t.strictSame(live.result(), [{ key: { g: 1 }, value: 1 }])
})

test('groups that have not changed are the same objects', async t => {
  const live = liveAggregate({ function: 'sum', field: 'n', groupBy: 'g' }, normalizeOf)
  for (let place = 0; place < 4; place++) live.add(record({ g: place % 2, n: place }), place)
  const [even, odd] = live.result() as readonly object[]
  t.equal(live.result(), live.result())
  live.add(record({ g: 1, n: 5 }), 4)
  const [evenNow, oddNow] = live.result() as readonly object[]
  t.equal(evenNow, even)
  t.not(oddNow, odd)
  t.ok(Object.isFrozen(oddNow))
})

test('a sum that no number can hold is an error as long as it is there', async t => {
  const live = liveAggregate({ function: 'sum', field: 'n' }, normalizeOf)
  for (let place = 0; place < 2; place++) live.add(record({ n: 1e308 }), place)
  t.throws(() => live.result(), new AggregateOverflowError('n'))
  live.remove(record({ n: 1e308 }), 0)
  t.equal(live.result(), 1e308)
})

test('bytes grow with what is kept, and shrink with it', async t => {
  for (const [name, perRecord] of [['count', 0], ['sum', 0], ['max', 20]] as const) {
    const live = liveAggregate({ function: name, field: 'n' }, normalizeOf)
    const before = live.bytes
    for (let n = 0; n < 1_000; n++) live.add(record({ n }), n)
    t.ok(live.bytes - before >= perRecord * 1_000 && live.bytes - before <= 100 + 2 * perRecord * 1_000, name)
    for (let n = 0; n < 1_000; n++) live.remove(record({ n }), n)
    t.equal(live.bytes, before, name)
  }
})
