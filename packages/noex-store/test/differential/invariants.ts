import type { StoreRecord } from 'registry-noex-store'
import type { Operation } from './operations.js'
import { comparable } from './reference.js'
import { isSame, type Contents, type HeardEvent, type Observation } from './side.js'
import type { World } from './world.js'

/** Operations that change buckets as a whole, without an event for each record. */
const structural: ReadonlySet<Operation['kind']> =
  new Set(['redefine', 'drop', 'define', 'migrate', 'restore', 'clear'])

export function isStructural ({ kind }: Operation): boolean {
  return structural.has(kind)
}

/** Returns what a store must never show, where it shows it after a step. */
export function violation (
  operation: Operation, world: World, { outcome, contents, events }: Observation, now: number
): string | undefined {
  if ('error' in outcome && operation.kind !== 'migrate' && operation.kind !== 'restore') {
    if (!isSame(contents, world.contents)) return 'what was refused has changed records'
    if (events.length > 0) return 'what was refused has been told'
  }
  for (const [name, records] of Object.entries(contents)) {
    const found = bucketViolation(name, records, world, now, isStructural(operation))
    if (found !== undefined) return `${found} in bucket "${name}"`
  }
  if (isStructural(operation)) return undefined
  if (!isSame(byKey(replay(world.contents, events)), byKey(contents))) {
    return 'the events do not lead from the records before to those after'
  }
  return undefined
}

function bucketViolation (
  name: string, records: readonly StoreRecord[], { buckets }: World, now: number, isWhole: boolean
): string | undefined {
  const bucket = buckets.get(name)
  if (bucket === undefined) return undefined
  const { definition, graves } = bucket
  if (definition.maxSize !== undefined && records.length > definition.maxSize && !isWhole) {
    return 'too many records'
  }
  const isOver = (record: StoreRecord): boolean => (record['_expiresAt'] as number) <= now
  if (definition.ttl !== undefined && !isWhole && records.some(isOver)) {
    return 'a record whose time is up'
  }
  if (isWhole) return undefined
  const { key } = definition
  const before = new Map(bucket.records.map(record => [record[key], record]))
  for (const record of records) {
    const former = before.get(record[key])
    if (former === record) continue
    const last = former?._version ?? graves.get(record[key]) ?? 0
    if (isSame(former, record)) return 'a record made anew without a change'
    if (record._version <= last) return `version ${record._version} after ${last}`
  }
  for (const [field, options] of Object.entries(definition.schema)) {
    if (options.unique !== true) continue
    const values = records.map(record => comparable(definition, field, record[field]))
      .filter(value => value !== null && value !== undefined)
    if (new Set(values).size < values.length) return `a value of "${field}" twice`
  }
  return undefined
}

/** Does what events tell of, in their order. */
function replay (contents: Contents, events: readonly HeardEvent[]): Contents {
  const buckets = new Map(Object.entries(contents).map(([name, records]) => [
    name,
    new Map(records.map(record => [record['id'] ?? record['version'], record]))
  ]))
  for (const { type, bucket, key, record, oldRecord, newRecord } of events) {
    const records = buckets.get(bucket)
    const former = records?.get(key)
    const expected = type === 'updated' ? oldRecord : record
    if (type === 'inserted' ? former !== undefined : !isSame(former, expected)) {
      return { [`event of ${bucket}`]: [{ type, key } as unknown as StoreRecord] }
    }
    if (type === 'deleted') records?.delete(key)
    else records?.set(key, (record ?? newRecord) as StoreRecord)
  }
  return Object.fromEntries([...buckets].map(([name, records]) => [name, [...records.values()]]))
}

function byKey (contents: Contents): unknown {
  return Object.entries(contents).map(([name, records]) =>
    [name, new Map(records.map(record => [record['id'] ?? record['version'], record]))])
}
