import fc from 'fast-check'
import type { BucketDefinition, ViewConfig, WhereFilter } from '../../src/index.js'

/** A bucket with fields of all types; `m` is in no schema and has values of any. */
export const definition: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'number' },
    n: { type: 'number' },
    s: { type: 'string' },
    d: { type: 'date' },
    o: { type: 'object' }
  },
  indexes: ['n'],
  ttl: 100,
  maxSize: 24
}

const key = fc.integer({ min: 0, max: 20 })
const instant = fc.integer({ min: 0, max: 4 })
const date = fc.oneof(
  instant, instant.map(ms => new Date(ms)), instant.map(ms => new Date(ms).toISOString())
)
const absent = fc.constantFrom(null, undefined)
const value = {
  n: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: -1, max: 4 }) }, absent, fc.constantFrom(-0, 0.5)),
  s: fc.oneof({ weight: 4, arbitrary: fc.constantFrom('a', 'ab', 'Abc', 'b', '', 'é') }, absent),
  d: fc.oneof({ weight: 4, arbitrary: date }, absent),
  m: fc.oneof(
    fc.constantFrom(0, 1, 2, '1', '2', 'x', true, false, null, undefined), instant.map(ms => new Date(ms)),
    fc.constantFrom([1], { k: 1 })
  )
}

/** Members of a record without its key. */
const members = fc.record(
  { ...value, o: fc.constantFrom({ k: 1 }, { k: 2 }, null) }, { requiredKeys: [] }
)
const input = fc.tuple(key, members).map(([id, rest]): Record<string, unknown> => ({ id, ...rest }))

/** Records without metadata. */
export const records = input

const operand = fc.oneof(value.n, value.s, value.d, value.m, fc.constantFrom(NaN, '5'))
const bound = fc.oneof(
  { weight: 3, arbitrary: value.n.filter(v => v !== undefined) }, value.s, date, fc.constantFrom('1', true)
)
const condition = fc.oneof(
  operand,
  fc.record({ $eq: operand, $neq: operand }, { requiredKeys: [] }),
  fc.record({ $gt: bound, $lte: bound }, { requiredKeys: [] }),
  fc.record({ $gte: bound, $lt: bound }, { requiredKeys: [] }),
  fc.record({ $in: fc.array(operand, { maxLength: 4 }), $neq: operand }, { requiredKeys: ['$in'] }),
  fc.record({ $nin: fc.array(operand, { maxLength: 4 }) }),
  fc.record({ $startsWith: fc.constantFrom('a', 'ab', '', 'é') }),
  fc.record({ $endsWith: fc.constantFrom('b', 'c', '') }),
  fc.record({ $contains: fc.constantFrom('B', 'a', '') }),
  fc.record({ $exists: fc.boolean() }),
  fc.tuple(fc.integer({ min: -2, max: 6 }), fc.integer({ min: 0, max: 4 }))
    .map(([from, length]) => ({ $between: [from, from + length] }))
)
const field = fc.constantFrom('n', 's', 'd', 'm', 'id', 'o.k')
const fields = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(field, condition).map(([name, value]) => ({ [name]: value })) },
  fc.dictionary(field, condition, { maxKeys: 2 })
)

/** Filters of all operators, nested. */
export const filters: fc.Arbitrary<WhereFilter> = fc.letrec<{ filter: WhereFilter }>(tie => ({
  filter: fc.oneof({ maxDepth: 2 }, fields,
    fc.tuple(fields, fc.array(tie('filter'), { maxLength: 3 }))
      .map(([own, parts]) => ({ ...own, $or: parts })),
    fc.tuple(fields, fc.array(tie('filter'), { maxLength: 3 }))
      .map(([own, parts]) => ({ ...own, $and: parts })))
})).filter

const path = fc.constantFrom('n', 's', 'd', 'm', 'o.k', '_version')
/** Orders by up to three fields. */
export const sorts = fc.dictionary(
  path, fc.constantFrom<'asc' | 'desc'>('asc', 'desc'), { maxKeys: 3 }
)
const count = fc.integer({ min: 0, max: 8 })
const kept = fc.subarray(['id', 'n', 's', 'o', 'missing', '__proto__'], { minLength: 1 })

/** A view without its bucket, and what confines it. */
export interface ViewPlan extends Omit<ViewConfig, 'bucket'> {
  readonly scope?: WhereFilter
}

const wide = fc.oneof(
  { weight: 2, arbitrary: filters }, fc.constant<WhereFilter>({}),
  fc.constantFrom<WhereFilter>({ n: { $gte: 0 } }, { s: { $neq: 'a' } }, { id: { $lt: 15 } })
)
const lists: fc.Arbitrary<ViewPlan> = fc.record({
  filter: wide, scope: wide, sort: sorts, offset: count, limit: count, fields: kept
}, { requiredKeys: [] })

const aggregates: fc.Arbitrary<ViewPlan> = fc.record({
  filter: wide,
  scope: wide,
  aggregate: fc.oneof(
    fc.record({ function: fc.constant('count' as const) }),
    fc.record({
      function: fc.constantFrom('sum', 'avg', 'min', 'max'), field: fc.constantFrom('n', 'm', 'o.k')
    }),
    fc.record({
      function: fc.constantFrom('count', 'sum', 'max'),
      field: fc.constantFrom('n', 'm'),
      groupBy: fc.oneof(path, fc.uniqueArray(path, { minLength: 1, maxLength: 2 }))
    })
  )
}, { requiredKeys: ['aggregate'] })

/** Views of all kinds but pages. */
export const plans = fc.oneof({ weight: 3, arbitrary: lists }, aggregates)

/** Something that is done to the store. */
export type Operation =
  | { readonly kind: 'insert' | 'upsert', readonly input: Record<string, unknown> }
  | { readonly kind: 'insertMany', readonly inputs: ReadonlyArray<Record<string, unknown>> }
  | { readonly kind: 'update', readonly key: number, readonly members: Record<string, unknown> }
  | { readonly kind: 'delete', readonly key: number }
  | { readonly kind: 'updateMany', readonly filter: WhereFilter, readonly members: Record<string, unknown> }
  | { readonly kind: 'deleteMany', readonly filter: WhereFilter }
  | { readonly kind: 'transaction', readonly steps: readonly Operation[] }
  | { readonly kind: 'clear' | 'redefine' | 'drop' }
  | { readonly kind: 'rebuild', readonly isOneByOne: boolean }
  | { readonly kind: 'advance', readonly ms: number }
  | { readonly kind: 'reopen', readonly view: number, readonly waits: boolean }
  | { readonly kind: 'refuse' }

const write: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('insert', 'upsert'), input }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('insertMany'), inputs: fc.array(input, { maxLength: 12 }) })
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('update'), key, members }) },
  fc.record({ kind: fc.constant('delete'), key }),
  fc.record({ kind: fc.constant('updateMany'), filter: filters, members }),
  fc.record({ kind: fc.constant('deleteMany'), filter: filters })
)
const structure: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constantFrom('clear', 'redefine', 'drop') }),
  fc.record({ kind: fc.constant('rebuild'), isOneByOne: fc.boolean() })
)

/** Operations on the bucket, most of them writes. */
export const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 12, arbitrary: write },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('transaction'), steps: fc.array(write, { minLength: 1, maxLength: 5 })
    })
  },
  { weight: 1, arbitrary: structure },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.integer({ min: 1, max: 60 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('reopen'), view: fc.nat({ max: 11 }), waits: fc.boolean() })
  },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'refuse' }) }
)
