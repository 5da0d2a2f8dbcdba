import { isStoreError, type BucketDefinition, type Store, type StoreRecord } from '@hamicek/noex-store'
import type { Random } from './random.js'
import { randomDeclaration, randomFilter, randomValue, bucketNames, declaredNames } from './queries.js'
import { changedPermissions, roleId, roles, users } from './rights.js'
import { definitions } from './application.js'

/** A request over the wire. */
export interface WireWrite {
  readonly type: string
  readonly fields: Readonly<Record<string, unknown>>
}

type Fields = Record<string, unknown>

const names = ['owner', 'state', 'n', 'rank', 'name', 'note'] as const

function randomFields (random: Random, probability: number): Fields {
  const fields: Fields = {}
  for (const name of names) {
    if (!random.chance(name === 'note' ? 0.05 : probability)) continue
    if (name === 'rank') fields[name] = random.below(1_000_000)
    else if (name === 'note') fields[name] = 'x'.repeat(random.below(1_200))
    else fields[name] = randomValue(random, name)
  }
  return fields
}

function randomKey (random: Random, bucket: string): unknown {
  if (bucket === 'counted') return 1 + random.below(60)
  if (bucket === 'items') return random.chance(0.2) ? String(random.below(20)) : `i${random.below(90)}`
  return `l${random.below(40)}`
}

function randomBucket (random: Random): string {
  return random.weighted([[6, 'items'], [4, 'counted'], [2, 'lines']])
}

/** Returns a write that a client may ask for. */
export function randomWrite (random: Random): WireWrite {
  const bucket = randomBucket(random)
  const key = randomKey(random, bucket)
  const of = (type: string, fields: Fields): WireWrite => ({ type, fields: { bucket, ...fields } })
  return random.weighted<() => WireWrite>([
    [6, () => of('store.insert', { data: { id: key, ...randomFields(random, 0.9) } })],
    [8, () => of('store.update', { key, data: randomFields(random, 0.35) })],
    [5, () => of('store.upsert', { data: { id: key, ...randomFields(random, 0.8) } })],
    [4, () => of('store.delete', { key })],
    [2, () => of('store.increment', { key, field: 'n', by: random.pick([1, -3, 0.25]) })],
    [1, () => of('store.updateMany', { filter: randomFilter(random), data: randomFields(random, 0.3) })],
    [0.3, () => of('store.deleteMany', { filter: randomFilter(random), limit: 10 })],
    [1, () => of('store.insertMany', {
      data: Array.from({ length: 1 + random.below(8) }, () => ({
        id: randomKey(random, bucket), ...randomFields(random, 0.9)
      }))
    })],
    [4, () => ({ type: 'store.transaction', fields: { operations: randomEntries(random) } })],
    [0.05, () => of('store.clear', {})]
  ])()
}

function randomEntries (random: Random): Fields[] {
  return Array.from({ length: 1 + random.below(6) }, () => {
    const bucket = randomBucket(random)
    const key = randomKey(random, bucket)
    return random.weighted<() => Fields>([
      [3, () => ({ op: 'insert', bucket, data: { id: key, ...randomFields(random, 0.9) } })],
      [5, () => ({ op: 'update', bucket, key, data: randomFields(random, 0.4) })],
      [4, () => ({ op: 'upsert', bucket, data: { id: key, ...randomFields(random, 0.8) } })],
      [3, () => ({ op: 'delete', bucket, key })]
    ])()
  })
}

/** Writes as an application makes them, in its own process. */
export async function applicationWrite (random: Random, store: Store): Promise<void> {
  const bucket = randomBucket(random)
  await random.weighted<() => Promise<unknown>>([
    [6, async () => {
      await store.transaction(async tx => {
        for (let i = 1 + random.below(12); i > 0; i--) {
          const name = randomBucket(random)
          const handle = await tx.bucket(name)
          const key = randomKey(random, name)
          const present = await handle.get(key)
          if (present === undefined) await handle.insert({ id: key, ...randomFields(random, 0.9) })
          else if (random.chance(0.3)) await handle.delete(key)
          else await handle.update(key, randomFields(random, 0.4))
          // Deleted and inserted anew within one commit.
          if (present !== undefined && random.chance(0.1) && await handle.get(key) === undefined) {
            await handle.insert({ id: key, ...randomFields(random, 0.9) })
          }
        }
      })
    }],
    [4, async () => await store.bucket(bucket).update(randomKey(random, bucket), randomFields(random, 0.4))],
    [2, async () => await store.bucket(bucket).updateMany(randomFilter(random), randomFields(random, 0.2))]
  ])()
}

/** Changes what users may read. */
export async function changeRights (random: Random, store: Store): Promise<void> {
  const role = random.pick(Object.keys(roles))
  const userId = random.pick(users)
  if (random.chance(0.4)) {
    const permissions = random.pick(changedPermissions).map(entry => ({ allow: 'store.*', ...entry }))
    await store.bucket('_roles').update(roleId(role), { permissions })
    return
  }
  const assignments = store.bucket('_user_roles')
  const present = await assignments.findOne({ userId, roleId: roleId(role) })
  if (present === undefined) await assignments.insert({ userId, roleId: roleId(role) })
  else await assignments.delete(present['id'])
}

/** Changes the structure of the store. */
export async function changeStructure (random: Random, store: Store): Promise<void> {
  const bucket = random.pick(bucketNames)
  const query = random.pick(declaredNames)
  await random.weighted<() => Promise<unknown>>([
    [3, async () => {
      if (!store.hasBucket(bucket)) return
      const definition = store.getBucketSchema(bucket)
      const indexes = definition?.indexes ?? []
      const index = random.pick(['owner', 'state', 'n', 'rank', 'name'])
      if (!indexes.includes(index)) await store.updateBucket(bucket, { addIndexes: [index] })
    }],
    [2, async () => {
      const definition = definitions[bucket] as BucketDefinition
      await store.rebuildBucket(bucket, definition, random.chance(0.5)
        ? reversed
        : { each: record => ({ ...record, rank: random.below(1_000_000) }) })
    }],
    [2, async () => { await store.bucket(bucket).clear() }],
    [2, async () => {
      if (store.hasBucket(bucket)) await store.dropBucket(bucket)
    }],
    [5, async () => {
      for (const name of bucketNames) {
        if (!store.hasBucket(name)) await store.defineBucket(name, definitions[name] as BucketDefinition)
      }
    }],
    [3, async () => {
      if (store.getQueryInfo(query) !== undefined) store.undefineQuery(query)
      // At once, or when some commits have passed.
      if (random.chance(0.7)) store.defineDeclarativeQuery(query, randomDeclaration(random))
    }],
    [3, async () => {
      for (const name of declaredNames) {
        if (store.getQueryInfo(name) !== undefined) continue
        store.defineDeclarativeQuery(name, randomDeclaration(random))
      }
    }],
    [1, async () => { await store.createBackup(random.pick(['one', 'two'])) }],
    [1, async () => { await store.restoreBackup(random.pick(['one', 'two'])) }]
  ])()
}

/** Makes other records of those of a bucket, in another order. */
function reversed (records: ReadonlyArray<readonly [unknown, StoreRecord]>): Array<[unknown, StoreRecord]> {
  return records.map(([key, record], i): [unknown, StoreRecord] => [key, { ...record, n: i % 100 }]).reverse()
}

/** Whether an error is one that such operations may meet. */
export function isExpected (error: unknown): boolean {
  return isStoreError(error)
}
