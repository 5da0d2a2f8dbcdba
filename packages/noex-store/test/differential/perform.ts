import type {
  BucketHandle, Migration, MigrationResult, Store, StoreRecord, TransactionBucketHandle
} from 'registry-noex-store'
import { keyAt, type BucketName, type Definitions } from './definitions.js'
import type { BucketOperation, Filter, Input, Operation, SingleOperation } from './operations.js'
import type { Side } from './side.js'

export type RunMigrations = (store: Store, migrations: readonly Migration[]) => Promise<MigrationResult>

/** Context that both sides need besides the operation. */
export interface Setting {
  readonly definitions: Definitions
  /** Number of the step, for names that may not repeat. */
  readonly step: number
}

/** The transaction of a history that is to come to nothing. */
class Aborted extends Error {
  override readonly name = 'Aborted'
}

/** Does one operation on one side, with input of its own. */
export async function perform (
  side: Side, operation: Operation, setting: Setting, runMigrations: RunMigrations
): Promise<unknown> {
  const { store } = side
  switch (operation.kind) {
    case 'transaction':
      return await store.transaction(async tx => {
        const results: unknown[] = []
        for (const step of operation.steps) {
          results.push(await onBucket(await tx.bucket(step.bucket), step, setting.definitions))
        }
        if (operation.isAborted) throw new Aborted('as planned')
        return results
      })
    case 'query': return await query(side.store, operation, setting)
    case 'subscribe': {
      const filter = placed(operation.filter, operation.bucket, setting.definitions)
      return await side.watch(`live${setting.step}`, (store, name) => {
        store.defineQuery(name, async ctx => await ctx.bucket(operation.bucket).where(filter))
      })
    }
    case 'unsubscribe': {
      const [first] = side.watched.keys()
      if (first !== undefined) side.unwatch(first)
      return first
    }
    case 'stats': {
      const { buckets, records, indexes, queries, ttl, persistence } = await store.getStats()
      const names = [...buckets.names].sort()
      return { count: buckets.count, names, records, indexes, queries, ttl, persistence }
    }
    case 'purge': return await store.purgeTtl()
    case 'advance': return undefined
    case 'redefine': return await redefine(store, operation.bucket, operation.change)
    case 'drop': return [store.hasBucket(operation.bucket), await store.dropBucket(operation.bucket)]
    case 'define': return await store.defineBucket(operation.bucket, setting.definitions[operation.bucket])
    case 'migrate': return await runMigrations(store, [migrationOf(operation.bucket, operation.change)])
    case 'backup': {
      const backup = await store.createBackup(operation.name)
      return [sorted(backup), (await store.listBackups()).map(sorted)]
    }
    case 'restore': return await store.restoreBackup(operation.name)
    case 'deleteBackup': return [
      await store.deleteBackup(operation.name),
      await store.listBackups().then(all => all.length)
    ]
    default: return await single(store.bucket(operation.bucket), operation, setting.definitions)
  }
}

const sorted = <T extends { readonly bucketNames: readonly string[] }> (backup: T): T =>
  ({ ...backup, bucketNames: [...backup.bucketNames].sort() })

async function single (
  bucket: BucketHandle, operation: SingleOperation, definitions: Definitions
): Promise<unknown> {
  const filterOf = (filter: Filter | undefined): Filter | undefined =>
    filter === undefined ? undefined : placed(filter, operation.bucket, definitions)
  switch (operation.kind) {
    case 'first': return await bucket.first(operation.n)
    case 'last': return await bucket.last(operation.n)
    case 'paginate': {
      const { after, limit } = operation
      return await bucket.paginate({
        limit, ...(after !== undefined && { after: keyAt(definitions[operation.bucket], after) })
      })
    }
    case 'clear': return await bucket.clear()
    case 'groupBy': {
      const aggregate = { function: operation.name as 'sum', field: 'n' }
      return await bucket.groupBy([...operation.fields], aggregate, filterOf(operation.filter))
    }
    case 'sum':
    case 'avg':
    case 'min':
    case 'max': return await bucket[operation.kind](operation.field, filterOf(operation.filter))
    default: return await onBucket(bucket, operation, definitions)
  }
}

async function onBucket (
  bucket: Pick<TransactionBucketHandle, Exclude<keyof BucketHandle & keyof TransactionBucketHandle, 'name'>>,
  operation: BucketOperation, definitions: Definitions
): Promise<unknown> {
  const key = (place: number): unknown => keyAt(definitions[operation.bucket], place)
  const of = <T extends Input> (input: T): T => placed(input, operation.bucket, definitions)
  switch (operation.kind) {
    case 'insert': return await bucket.insert(of(operation.input))
    case 'upsert': return await bucket.upsert(of(operation.input))
    case 'insertMany': return await bucket.insertMany(operation.inputs.map(of))
    case 'update': return await bucket.update(key(operation.key), of(operation.input))
    case 'updateMany': return await bucket.updateMany(of(operation.filter), of(operation.input))
    case 'delete': return await bucket.delete(key(operation.key))
    case 'deleteMany': return await bucket.deleteMany(of(operation.filter))
    case 'get': return await bucket.get(key(operation.key))
    case 'all': return await bucket.all()
    case 'where': return await bucket.where(of(operation.filter))
    case 'findOne': return await bucket.findOne(of(operation.filter))
    case 'count':
      return operation.filter === undefined ? await bucket.count() : await bucket.count(of(operation.filter))
  }
}

/** Copies input or a filter, with keys in the place of their numbers. */
export function placed<T extends Input> (input: T, bucket: BucketName, definitions: Definitions): T {
  // Keys themselves, in the place of a filter that finds them.
  if (Array.isArray(input['_key'])) return { id: { $in: input['_key'] } } as unknown as T
  const { schema } = definitions[bucket]
  const replace = (value: unknown, name: string): unknown => {
    if (typeof value === 'number' && name === 'id') return keyAt(definitions[bucket], value)
    const target = schema[name]?.ref as BucketName | undefined
    if (typeof value === 'number' && target !== undefined) return keyAt(definitions[target], value)
    if (Array.isArray(value)) return value.map(item => replace(item, name))
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Date) return new Date(value)
    const isOfRecord = name === '' || name === '$or' || name === '$and'
    return Object.fromEntries(Object.entries(value)
      .map(([member, item]) => [member, replace(item, isOfRecord ? member : name)]))
  }
  return replace(input, '') as T
}

async function query (
  store: Store, operation: Extract<Operation, { kind: 'query' }>, { definitions, step }: Setting
): Promise<unknown> {
  const { bucket, filter, sort, limit, offset, fields, readFilter } = operation
  const name = `query${step}`
  store.defineDeclarativeQuery(name, {
    bucket,
    sort,
    fields,
    ...(filter && { filter: placed(filter, bucket, definitions) }),
    ...(limit !== undefined && { limit }),
    ...(offset !== undefined && { offset })
  })
  try {
    const confinement = readFilter === undefined ? null : placed(readFilter, bucket, definitions)
    return await store.runQuery(name, undefined, () => confinement)
  } finally {
    store.undefineQuery(name)
  }
}

async function redefine (store: Store, name: BucketName, change: number): Promise<unknown> {
  const definition = store.getBucketSchema(name)
  const runs: Array<() => Promise<void>> = [
    () => store.updateBucket(name, { addIndexes: ['n'] }),
    () => store.updateBucket(name, { addFields: { y: { type: 'number', default: 4 } } }),
    () => store.updateBucket(name, { ttl: 40 }),
    () => store.updateBucket(name, { ttl: null }),
    () => store.rebuildBucket(name, definition as NonNullable<typeof definition>),
    () => store.rebuildBucket(name, definition as NonNullable<typeof definition>, records =>
      records.slice(1).map(([key, record]) => [key, { ...record, y: 9 } as StoreRecord])),
    () => store.updateBucket(name, { addFields: { n: { type: 'number' } } })
  ]
  await (runs[change] as () => Promise<void>)()
  return Object.keys(store.getBucketSchema(name)?.schema ?? {})
}

function migrationOf (name: BucketName, change: number): Migration {
  const up: Migration['up'] = async ctx => {
    const bucket = ctx.bucket(name)
    if (change === 0) await bucket.addField('z', { type: 'string' }, 'new')
    else if (change === 1) await bucket.removeField('n')
    else if (change === 2) await bucket.renameField('s', 't')
    else if (change === 3) await bucket.changeFieldType('n', 'string', value => String(value))
    else if (change === 4) await bucket.addIndex('s')
    else if (change === 5) await bucket.removeIndex('s')
    else await bucket.transformAll(record => ({ ...record, x: record['_version'] }))
  }
  return { version: change + 1, name: `change ${change}`, up }
}
