import { isDeepStrictEqual } from 'node:util'
import type { BucketDefinition, GroupByResult } from 'registry-noex-store'
import type { Difference, Step } from './difference.js'
import type { Operation } from './operations.js'
import { isBadFilter, isDate, isMixed, isOperators, matches } from './reference.js'
import { filterIn, type World } from './world.js'
import { placed } from './perform.js'

type Fields = Readonly<Record<string, unknown>>

/** All conditions on fields in a filter, those of its parts too. */
function conditionsOf (filter: Fields): Array<readonly [field: string, value: unknown, isTop: boolean]> {
  return Object.entries(filter).flatMap(([field, value]): ReturnType<typeof conditionsOf> =>
    field === '$or' || field === '$and'
      ? (value as Fields[]).flatMap(conditionsOf).map(([name, part]) => [name, part, false])
      : [[field, value, true]])
}

const isIndexed = ({ indexes = [], schema }: BucketDefinition, field: string): boolean =>
  indexes.includes(field) || (Object.hasOwn(schema, field) && schema[field]?.unique === true)

type Concern = (filter: Fields, definition: BucketDefinition) => boolean

const isNullInIndex: Concern = (filter, definition) => conditionsOf(filter).some(([field, value, isTop]) =>
  isTop && isIndexed(definition, field) && (value === null || value === undefined))

const isByIndex: Concern = (filter, definition) => conditionsOf(filter).some(([field, value, isTop]) =>
  isTop && isIndexed(definition, field) && !isOperators(value))

const hasDate = (value: unknown): boolean => value instanceof Date ||
  (typeof value === 'object' && value !== null && Object.values(value).some(hasDate))

const isOnDate: Concern = (filter, definition) =>
  conditionsOf(filter).some(([field, value]) => isDate(definition, field) || hasDate(value))

const isPath: Concern = filter =>
  conditionsOf(filter).some(([field]) => field.includes('.') || field in Object.prototype)

/** The filters of an operation, that of its readers too. */
function filtersIn (operation: Operation, world: World): Fields[] {
  if (operation.kind === 'transaction') return operation.steps.flatMap(step => filtersIn(step, world))
  const filter = filterIn(operation, world)
  const confinement = operation.kind === 'query' && operation.readFilter !== undefined
    ? placed(operation.readFilter, operation.bucket, world.definitions)
    : undefined
  return [filter, confinement].filter(one => one !== undefined)
}

const bucketsOf = (operation: Operation, world: World): BucketDefinition[] =>
  (operation.kind === 'transaction' ? operation.steps : [operation])
    .flatMap(step => 'bucket' in step ? world.buckets.get(step.bucket)?.definition ?? [] : [])

function isConcerned (concern: Concern, operation: Operation, world: World): boolean {
  return filtersIn(operation, world).some(filter =>
    bucketsOf(operation, world).some(definition => concern(filter, definition)))
}

/** Names the right records by their keys, which 0.2.0 finds in the right order. */
const byKeys = (concern: Concern): Pick<Difference, 'instead' | 'isCause'> => ({
  instead (operation, world) {
    if (operation.kind !== 'updateMany' && operation.kind !== 'deleteMany') return undefined
    const bucket = world.buckets.get(operation.bucket)
    const filter = filterIn(operation, world)
    if (bucket === undefined || filter === undefined) return undefined
    const { definition, records } = bucket
    if (isBadFilter(filter, definition) || !concern(filter, definition)) return undefined
    const keys = records.filter(record => matches(record, filter, definition)).map(({ id }) => id)
    return { ...operation, filter: { _key: keys } }
  },
  isCause: ({ operation, world }) => isConcerned(concern, operation, world)
})

const hasNoLength = (operation: Operation): boolean =>
  (operation.kind === 'first' || operation.kind === 'last')
    ? operation.n <= 0
    : 'limit' in operation && operation.limit !== undefined && operation.limit <= 0

const isAggregate = ({ operation }: Step, names: readonly string[]): boolean =>
  names.includes(operation.kind === 'groupBy' ? operation.name : operation.kind)

/** Whether two results are the same but for numbers, each of which is like the other. */
function isLike ({ theirs, ours }: Step, areLike: (theirs: number, ours: number) => boolean): boolean {
  if (!('value' in theirs.outcome && 'value' in ours.outcome)) return false
  const [before, now] = [theirs.outcome.value, ours.outcome.value]
  if (typeof before === 'number' && typeof now === 'number') return areLike(before, now)
  if (!Array.isArray(before) || !Array.isArray(now) || before.length !== now.length) return false
  const groups = now as readonly GroupByResult[]
  return (before as readonly GroupByResult[]).every(({ key, value }, i) =>
    isDeepStrictEqual(key, groups[i]?.key) && areLike(value, groups[i]?.value as number))
}

export const readDifferences: readonly Difference[] = [
  {
    name: 'null in an index',
    before: '`{ field: null }` matches nothing where the field has an index',
    now: 'records that hold null',
    why: 'an index never changes an answer',
    ...byKeys(isNullInIndex)
  },
  {
    name: 'order of results',
    before: 'order of the index, where one is used',
    now: 'order of insertion',
    why: 'an index never changes an answer',
    ...byKeys(isByIndex)
  },
  {
    name: 'dates in filters, groups, sorts and unique fields',
    before: '`Date`, milliseconds and ISO text of one time are three values, two `Date`s of it two',
    now: 'in a field of type `date` they are one, and two `Date`s are everywhere',
    why: 'they are one point in time',
    ...byKeys(isOnDate),
    isCause: ({ operation, world, ours }) => isConcerned(isOnDate, operation, world) ||
      (operation.kind === 'groupBy' && operation.fields.some(field =>
        bucketsOf(operation, world).some(definition => isDate(definition, field)))) ||
      (operation.kind === 'query' && Object.keys(operation.sort).some(field =>
        bucketsOf(operation, world).some(definition => isDate(definition, field)))) ||
      (['first', 'last', 'paginate'].includes(operation.kind) &&
        bucketsOf(operation, world).some(definition => isDate(definition, 'id'))) ||
      ('error' in ours.outcome && ours.outcome.error.includes('field "d" already has value'))
  },
  {
    name: 'dotted paths, and members that every object has',
    before: '`address.city` is the name of a member; `toString` matches as a field',
    now: 'a path into objects and lists; inherited members are none',
    why: 'nested fields can be searched, and no record has a field that it does not have',
    ...byKeys(isPath),
    isCause: ({ operation, world }) => isConcerned(isPath, operation, world) ||
      ('field' in operation && isPath({ [operation.field]: 1 }, {} as never)) ||
      (operation.kind === 'groupBy' && operation.fields.some(field => isPath({ [field]: 1 }, {} as never)))
  },
  {
    name: 'operands that cannot be used',
    before: 'a `TypeError` of JavaScript once a record is looked at, or nothing is found',
    now: '`FilterError` that names field and operator, also for a range upside down',
    why: 'a mistake is told, whether there are records or not',
    isCause: ({ operation, world, ours }) => isConcerned(isBadFilter, operation, world) &&
      'error' in ours.outcome && ours.outcome.error.startsWith('FilterError: ')
  },
  {
    name: 'sorts of mixed values',
    before: 'a text and a number, or objects, count as equal, so that the order depends on the ' +
      'records between',
    now: 'numbers, booleans and dates before texts; all other values last',
    why: 'an order that is one: with an index and without, page by page',
    isCause: ({ operation, world }) => operation.kind === 'query' &&
      isMixed(world.contents[operation.bucket] ?? [], Object.keys(operation.sort))
  },
  {
    name: 'no length',
    before: '`last(0)` returns everything, `first(-1)` all but the last, a `limit` of -1 too',
    now: 'nothing',
    why: 'no more than asked for',
    isCause: ({ operation }) => hasNoLength(operation)
  },
  {
    name: 'cursors',
    before: 'a page after a deleted record is empty',
    now: 'it goes on from the place of the record',
    why: 'a reader of pages does not lose the rest',
    isCause: ({ operation, world }) => operation.kind === 'paginate' && operation.after !== undefined &&
      world.buckets.has(operation.bucket)
  },
  {
    name: 'sums without end',
    before: 'a sum above every number is `Infinity`, and so is a mean',
    now: '`AggregateOverflowError`; a mean is right',
    why: 'JSON has no Infinity, and a wrong number is worse than none',
    isCause: ({ theirs }) => 'value' in theirs.outcome && theirs.outcome.value === Infinity
  },
  {
    name: 'sums and means of fractions',
    before: 'are rounded at each record, so that the last digit depends on the order of the records',
    now: 'are rounded once: the number next to the exact sum or mean',
    why: 'the same numbers have one sum, and a live query keeps it',
    isCause: step => isAggregate(step, ['sum', 'avg']) && isLike(step, (theirs, ours) =>
      Math.abs(theirs - ours) <= 1e-12 * Math.abs(ours))
  },
  {
    name: 'the least of 0 and -0',
    before: 'the one that came first',
    now: '0',
    why: 'JSON writes 0 for both',
    isCause: step => isAggregate(step, ['min', 'max']) && isLike(step, (theirs, ours) => theirs === ours)
  }
]
