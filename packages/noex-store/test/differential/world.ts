import type { BucketDefinition, StoreRecord } from 'registry-noex-store'
import { withoutAsyncValidators } from './async-validators.js'
import { keyAt, type Definitions } from './definitions.js'
import type { Operation } from './operations.js'
import { placed } from './perform.js'
import { aggregate, comparable, groups, isBadFilter, matches, sort } from './reference.js'
import { counterOf, type Contents, type Observation, type Outcome, type Side } from './side.js'

/** A bucket as it is before a step, by what could be seen so far. */
export interface BucketWorld {
  readonly definition: BucketDefinition
  readonly records: readonly StoreRecord[]
  /** Last version of each deleted key. */
  readonly graves: ReadonlyMap<unknown, number>
  /** Keys in the order of their insertion, deleted ones too. */
  readonly order: readonly unknown[]
  /** Last number that was given to a record; 0 where none are. */
  readonly counter: number
}

/** All buckets before a step. */
export interface World {
  readonly definitions: Definitions
  readonly buckets: ReadonlyMap<string, BucketWorld>
  readonly contents: Contents
  /** Records in each backup. */
  readonly backups: ReadonlyMap<string, Contents>
}

/** Follows what becomes of the buckets of a side. */
export async function nextWorld (
  world: World, side: Side, operation: Operation, { outcome, contents }: Observation, now: number
): Promise<World> {
  const isDone = 'value' in outcome
  const backups = new Map(world.backups)
  if (operation.kind === 'backup' && isDone) backups.set(operation.name, contents)
  const restored = operation.kind === 'restore' && isDone ? backups.get(operation.name) : undefined
  const buckets = new Map<string, BucketWorld>()
  for (const [name, records] of Object.entries(contents)) {
    const former = operation.kind === 'define' && operation.bucket === name &&
      !world.buckets.has(name)
      ? undefined
      : world.buckets.get(name)
    const definition = withoutAsyncValidators(side.store.getBucketSchema(name) as BucketDefinition)
    const keys = records.map(record => record[definition.key])
    const isThere = new Set(keys)
    const wasThere = new Set(former?.records.map(record => record[definition.key]))
    const graves = new Map(former?.graves)
    for (const record of former?.records ?? []) {
      if (!isThere.has(record[definition.key])) graves.set(record[definition.key], record._version)
    }
    for (const key of keys) graves.delete(key)
    // A record that has expired since its backup comes with a version of its own and is not seen.
    for (const record of restored?.[name] ?? []) {
      const key = record[definition.key]
      if (isThere.has(key) || ((record['_expiresAt'] ?? Infinity) as number) > now) continue
      graves.set(key, Math.max(record._version, (graves.get(key) ?? 0) + 1))
    }
    // A key that comes again is at the end; one that a transaction deletes and inserts stays in its place.
    const isNew = new Set(keys.filter(key => !wasThere.has(key)))
    const order = withDeleted(keys, (former?.order ?? []).filter(key => !isNew.has(key)))
    const isNumbered = Object.values(definition.schema).some(({ generated }) => generated === 'autoincrement')
    const counter = isNumbered ? await counterOf(side.store, name) : 0
    buckets.set(name, { definition, records, graves, order, counter })
  }
  return { definitions: world.definitions, buckets, contents, backups }
}

/** Puts deleted keys behind the ones that they were behind. */
function withDeleted (keys: readonly unknown[], former: readonly unknown[]): unknown[] {
  const isThere = new Set(keys)
  const behind = new Map<unknown, unknown[]>([[withDeleted, []]])
  let last: unknown = withDeleted
  for (const key of former) {
    if (isThere.has(key)) last = key
    else behind.set(last, [...behind.get(last) ?? [], key])
  }
  return [...behind.get(withDeleted) ?? [], ...keys.flatMap(key => [key, ...behind.get(key) ?? []])]
}

/** Filter of an operation as the store is given it, `undefined` where it has none. */
export function filterIn (operation: Operation, { definitions }: World): Record<string, unknown> | undefined {
  const filter = 'filter' in operation ? operation.filter : undefined
  if (filter === undefined || !('bucket' in operation)) return undefined
  return placed(filter, operation.bucket, definitions)
}

/** Returns the right outcome of an operation that reads; `undefined` for others. */
export function rightRead (operation: Operation, world: World): Outcome | undefined {
  if (!('bucket' in operation)) return undefined
  const bucket = world.buckets.get(operation.bucket)
  if (bucket === undefined) return undefined
  const { definition } = bucket
  const filter = filterIn(operation, world)
  if (filter !== undefined && isBadFilter(filter, definition)) return undefined
  const records = filter === undefined
    ? bucket.records
    : bucket.records.filter(record => matches(record, filter, definition))
  switch (operation.kind) {
    case 'get': return { value: records.find(record => record['id'] === keyAt(definition, operation.key)) }
    case 'all':
    case 'where': return { value: records }
    case 'findOne': return { value: records[0] }
    case 'count': return { value: records.length }
    case 'first': return { value: inOrder(bucket).slice(0, Math.max(0, operation.n)) }
    case 'last': return { value: operation.n <= 0 ? [] : inOrder(bucket).slice(-operation.n) }
    case 'paginate': return { value: page(operation, bucket) }
    case 'sum':
      if (aggregate('sum', records, operation.field) === Infinity) {
        return {
          error: `AggregateOverflowError: The sum of "${operation.field}" overflows: ` +
            'it is greater than any number'
        }
      }
      return { value: aggregate('sum', records, operation.field) }
    case 'avg':
    case 'min':
    case 'max': return { value: aggregate(operation.kind, records, operation.field) }
    case 'groupBy': return { value: groups(records, operation.fields, operation.name, definition) }
    case 'query': return rightQuery(operation, records, definition, world)
    default: return undefined
  }
}

function rightQuery (
  {
    readFilter,
    sort: order,
    offset = 0,
    limit = Infinity,
    fields,
    bucket
  }: Extract<Operation, { kind: 'query' }>,
  records: readonly StoreRecord[], definition: BucketDefinition, world: World
): Outcome | undefined {
  const confinement = readFilter === undefined ? {} : placed(readFilter, bucket, world.definitions)
  if (isBadFilter(confinement, definition)) return undefined
  const visible = records.filter(record => matches(record, confinement, definition))
  const result = sort(visible, order, definition).slice(offset, offset + Math.max(0, limit))
  if (fields.length === 0) return { value: result }
  return {
    value: result.map(record => Object.fromEntries(
      fields.filter(field => Object.hasOwn(record, field)).map(field => [field, record[field]])))
  }
}

/** The records of a bucket in the order of its pages. */
function inOrder ({ records, definition }: BucketWorld): StoreRecord[] {
  if (definition.etsType !== 'ordered_set') return [...records]
  return [...records].sort((a, b) => compareKeys(keyIn(a, definition), keyIn(b, definition)))
}

const keyIn = (record: StoreRecord, definition: BucketDefinition): unknown =>
  comparable(definition, 'id', record['id'])

function compareKeys (a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))
}

function page (
  { after, limit }: Extract<Operation, { kind: 'paginate' }>, bucket: BucketWorld
): unknown {
  const { definition, order } = bucket
  let rest = inOrder(bucket)
  if (after !== undefined) {
    const cursor = keyAt(definition, after)
    if (definition.etsType === 'ordered_set') {
      const place = comparable(definition, 'id', cursor)
      rest = rest.filter(record => compareKeys(keyIn(record, definition), place) > 0)
    } else {
      const place = order.indexOf(cursor)
      rest = place === -1 ? [] : rest.filter(({ id }) => order.indexOf(id) > place)
    }
  }
  const records = rest.slice(0, Math.max(0, limit))
  return { records, hasMore: rest.length > Math.max(0, limit), nextCursor: records.at(-1)?.['id'] }
}
