import fc from 'fast-check'
import { bucketNames, type BucketName } from './definitions.js'

/** Fields of input; `id`, `r` and `r2` are places of keys. */
export type Input = Readonly<Record<string, unknown>>
export type Filter = Readonly<Record<string, unknown>>

interface OnBucket<Kind extends string> {
  readonly kind: Kind
  readonly bucket: BucketName
}

interface Aggregate extends OnBucket<'sum' | 'avg' | 'min' | 'max'> {
  readonly field: string
  readonly filter: Filter | undefined
}

/** Operations that a bucket has, inside of a transaction too. */
export type BucketOperation =
  | OnBucket<'insert' | 'upsert'> & { readonly input: Input }
  | OnBucket<'insertMany'> & { readonly inputs: readonly Input[] }
  | OnBucket<'update'> & { readonly key: number, readonly input: Input }
  | OnBucket<'updateMany'> & { readonly filter: Filter, readonly input: Input }
  | OnBucket<'delete' | 'get'> & { readonly key: number }
  | OnBucket<'deleteMany' | 'where' | 'findOne'> & { readonly filter: Filter }
  | OnBucket<'count'> & { readonly filter: Filter | undefined }
  | OnBucket<'all'>

/** Operations of one bucket. */
export type SingleOperation =
  | BucketOperation
  | OnBucket<'first' | 'last'> & { readonly n: number }
  | OnBucket<'paginate'> & { readonly after: number | undefined, readonly limit: number }
  | OnBucket<'clear'>
  | OnBucket<'groupBy'> & {
    readonly fields: readonly string[], readonly name: string, readonly filter: Filter | undefined
  }
  | Aggregate

/** Operations of the store. */
export type Operation =
  | SingleOperation
  | { readonly kind: 'transaction', readonly steps: readonly BucketOperation[], readonly isAborted: boolean }
  | OnBucket<'query'> & {
    readonly filter: Filter | undefined,
    readonly sort: Readonly<Record<string, 'asc' | 'desc'>>,
    readonly limit: number | undefined,
    readonly offset: number | undefined,
    readonly fields: readonly string[],
    readonly readFilter: Filter | undefined
  }
  | OnBucket<'subscribe'> & { readonly filter: Filter }
  | { readonly kind: 'unsubscribe' | 'stats' | 'purge' }
  | { readonly kind: 'advance', readonly ms: number }
  | OnBucket<'redefine'> & { readonly change: number }
  | OnBucket<'drop' | 'define'>
  | { readonly kind: 'migrate', readonly bucket: BucketName, readonly change: number }
  | { readonly kind: 'backup' | 'restore' | 'deleteBackup', readonly name: string }

const bucket = fc.constantFrom(...bucketNames)
const key = fc.constantFrom(1, 1, 2, 2, 3, 4)

/** Values of each field: of its type, at the edges of its options, and of other types. */
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  n: fc.constantFrom<unknown>(1, 2, 3, 0, -1, 1.5, 0.1, 0.7, -0, 'x', null, undefined),
  s: fc.constantFrom<unknown>('a', 'b', 'ab', '', 'abc', 'a@b.cz', 'https://a.cz', '2024-02-29', 7, null),
  b: fc.constantFrom<unknown>(true, false, true, false, 1),
  d: fc.constantFrom<unknown>(
    1_000, new Date(1_000), '1970-01-01T00:00:01.000Z', '1970-01-01', 0, 'soon', NaN, null
  ),
  o: fc.constantFrom<unknown>(
    { p: 1 }, { p: 3 }, { q: [{ z: 1 }] }, {}, [], { p: 2, q: [null, { z: true }] }
  ),
  l: fc.constantFrom<unknown>([], [1], [0, 'x'], [['a'], ['ab', 1]], {}, [null]),
  g: fc.constantFrom<unknown>(1, 'g'),
  x: fc.constantFrom<unknown>(1, 'x', null, NaN, 1e308, { y: 1 })
}
const names = [...Object.keys(values), 'r', 'r2', 'id']

const anyInput = fc.record({ id: key, r: key, r2: key, ...values }, { requiredKeys: [] })
/** Input that is mostly valid, so that histories come far. */
const plainInput = fc.record({
  id: key,
  n: fc.integer({ min: 0, max: 3 }),
  s: fc.constantFrom('a', 'ab'),
  r: fc.constantFrom<unknown>(1, 2, null),
  r2: fc.constantFrom<unknown>(1, null, null),
  d: fc.constantFrom<unknown>(1_000, new Date(0), '1970-01-01')
}, { requiredKeys: ['id', 's'] })
const input: fc.Arbitrary<Input> = fc.oneof({ weight: 5, arbitrary: plainInput }, anyInput)

const field = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...names) },
  { weight: 1, arbitrary: fc.constantFrom('o.p', 'l.0', 'x.y', '_version', 'toString', 'none') }
)
const operand = (name: string): fc.Arbitrary<unknown> =>
  Object.hasOwn(values, name) ? values[name] as fc.Arbitrary<unknown> : key
const operators = (name: string): fc.Arbitrary<Filter> => {
  const value = operand(name)
  return fc.oneof(
    fc.record({ $eq: value }), fc.record({ $neq: value }),
    fc.record({ $gt: value, $lte: value }, { requiredKeys: [] }),
    fc.record({ $gte: value, $lt: value }, { requiredKeys: [] }),
    fc.record({ $in: fc.array(value, { maxLength: 3 }) }),
    fc.record({ $nin: fc.array(value, { maxLength: 3 }) }),
    fc.record({ $exists: fc.constantFrom<unknown>(true, false, 1) }),
    fc.record({ $between: fc.tuple(value, value) }),
    fc.record({ $startsWith: fc.constantFrom('a', '', 'k') }),
    fc.record({ $contains: fc.constantFrom('B', '') }), fc.record({ $endsWith: fc.constantFrom('b', '1') }),
    fc.constantFrom<Filter>({ $in: 5 }, { $between: 1 }, { $startsWith: 1 }, { $other: 1 }, {})
  )
}
const leaf: fc.Arbitrary<Filter> = field.chain(name =>
  fc.oneof(operand(name), operators(name)).map(value => ({ [name]: value })))
const { filter } = fc.letrec<{ filter: Filter }>(tie => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 5, arbitrary: leaf },
    { weight: 1, arbitrary: fc.constant({}) },
    { weight: 2, arbitrary: fc.tuple(leaf, leaf).map(([a, b]) => ({ ...a, ...b })) },
    { weight: 1, arbitrary: fc.record({ $or: fc.array(tie('filter'), { maxLength: 2 }) }) },
    { weight: 1, arbitrary: fc.record({ $and: fc.array(tie('filter'), { maxLength: 2 }) }) }
  )
}))
const maybeFilter = fc.option(filter, { nil: undefined })
const limit = fc.constantFrom(1, 2, 3, 0, -1, 10)

const on = <Kind extends Operation['kind']> (
  kind: Kind, members: object
): fc.Arbitrary<Extract<Operation, { kind: Kind }>> => fc.record({
    kind: fc.constant(kind), bucket, ...members
  }) as unknown as fc.Arbitrary<Extract<Operation, { kind: Kind }>>

const writes: Array<fc.Arbitrary<BucketOperation>> = [
  on('insert', { input }), on('insert', { input }), on('upsert', { input }),
  on('insertMany', { inputs: fc.array(input, { maxLength: 3 }) }), on('update', { key, input }),
  on('updateMany', { filter, input }), on('delete', { key }), on('deleteMany', { filter })
]
const reads: Array<fc.Arbitrary<BucketOperation>> = [
  on('get', { key }), on('all', {}), on('where', { filter }), on('findOne', { filter }),
  on('count', { filter: maybeFilter })
]
const bucketOperation = fc.oneof(...writes, ...reads)
const change = fc.nat(6)
const name = fc.constantFrom('one', 'two')

/** One operation of a history; those of data are most of them. */
export const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 60, arbitrary: fc.oneof(...writes) },
  { weight: 25, arbitrary: fc.oneof(...reads) },
  { weight: 6, arbitrary: fc.oneof(on('first', { n: limit }), on('last', { n: limit })) },
  { weight: 6, arbitrary: on('paginate', { after: fc.option(key, { nil: undefined }), limit }) },
  {
    weight: 6,
    arbitrary: fc.oneof(...(['sum', 'avg', 'min', 'max'] as const)
      .map(kind => on(kind, { field, filter: maybeFilter })))
  },
  {
    weight: 4,
    arbitrary: on('groupBy', {
      fields: fc.array(field, { minLength: 1, maxLength: 2 }),
      name: fc.constantFrom('count', 'sum', 'avg', 'min', 'max'),
      filter: maybeFilter
    })
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('transaction' as const),
      steps: fc.array(bucketOperation, { minLength: 1, maxLength: 5 }),
      isAborted: fc.nat(3).map(n => n === 3)
    })
  },
  { weight: 2, arbitrary: on('clear', {}) },
  {
    weight: 6,
    arbitrary: on('query', {
      filter: maybeFilter,
      sort: fc.dictionary(
        fc.constantFrom('n', 's', 'd', 'id'), fc.constantFrom('asc', 'desc'), { maxKeys: 2 }
      ),
      limit: fc.option(limit, { nil: undefined }),
      offset: fc.option(fc.nat(2), { nil: undefined }),
      fields: fc.subarray(['id', 'n', 's', 'none']),
      readFilter: fc.option(filter, { nil: undefined, freq: 2 })
    })
  },
  { weight: 3, arbitrary: on('subscribe', { filter }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom<'unsubscribe' | 'stats' | 'purge'>('unsubscribe', 'stats', 'purge')
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1, 30, 60, 2_000) })
  },
  { weight: 2, arbitrary: on('redefine', { change }) },
  { weight: 2, arbitrary: fc.oneof(on('drop', {}), on('define', {})) },
  { weight: 2, arbitrary: on('migrate', { change }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom<'backup' | 'restore' | 'deleteBackup'>('backup', 'restore', 'deleteBackup'), name
    })
  }
)
