import type { StoreRecord } from 'registry-noex-store'
import { keyAt } from './definitions.js'
import { Tables, type Slot, type Table } from './model.js'
import { Refused } from './model-values.js'
import type { BucketOperation, Input, Operation } from './operations.js'
import { placed } from './perform.js'
import { isBadFilter, matches } from './reference.js'
import type { Contents, HeardEvent } from './side.js'
import type { World } from './world.js'

/** How a step must end, by a model that shares no line with the store: lists and sequential semantics. */
export type RightStep =
  | { readonly value: unknown, readonly contents: Contents, readonly events: readonly HeardEvent[] }
  | { readonly errors: ReadonlySet<string> }

/** Works out a step; `undefined` for operations that are none of data. */
export function rightStep (operation: Operation, world: World, now: number): RightStep | undefined {
  const tables = new Tables(world, now)
  try {
    const value = run(operation, world, tables)
    if (value === notModelled) return undefined
    return { value, contents: contentsOf(tables), events: eventsOf(tables) }
  } catch (error) {
    if (error instanceof Refused) return { errors: error.errors }
    throw error
  }
}

const notModelled = Symbol('not modelled')

function run (operation: Operation, world: World, tables: Tables): unknown {
  switch (operation.kind) {
    case 'transaction': {
      const results = operation.steps.map(step => doStep(step, world, tables, false))
      if (operation.isAborted) throw new Refused(['Aborted: as planned'])
      tables.commit()
      return results
    }
    case 'advance':
    case 'purge': {
      const count = expire(tables)
      return operation.kind === 'purge' ? count : undefined
    }
    case 'clear': {
      const table = tables.table(operation.bucket)
      for (const slot of table.slots) slot.after = undefined
      return undefined
    }
    case 'insert':
    case 'upsert':
    case 'insertMany':
    case 'update':
    case 'updateMany':
    case 'delete':
    case 'deleteMany': {
      if (!world.buckets.has(operation.bucket)) return notModelled
      const result = doStep(operation, world, tables, true)
      tables.commit()
      return result
    }
    default: return notModelled
  }
}

function expire (tables: Tables): number {
  const due = tables.all.flatMap(table => table.definition.ttl === undefined
    ? []
    : table.slots.filter(({ after }) => (after?.['_expiresAt'] as number) <= tables.now)
      .map(slot => [table, slot] as const))
  for (const [table, slot] of due) table.write(slot, undefined)
  return due.length
}

/** Does one operation on a bucket; `isSingle` for one that is no part of a transaction. */
function doStep (operation: BucketOperation, world: World, tables: Tables, isSingle: boolean): unknown {
  const table = tables.table(operation.bucket)
  const of = <T extends Input> (input: T): T => placed(input, operation.bucket, world.definitions)
  const slotAt = (place: number): Slot | undefined =>
    table.slot(keyAt(world.definitions[operation.bucket], place))
  const check = (input: Input): void => { if (isSingle) tables.checkInput(table, input) }
  const insert = (input: Input): StoreRecord => {
    check(input)
    return table.insert(input, [], tables.now)
  }
  const update = (slot: Slot, input: Input): StoreRecord => {
    check(input)
    return table.update(slot, input)
  }
  switch (operation.kind) {
    case 'insert': return insert(of(operation.input))
    case 'upsert': {
      const input = of(operation.input)
      const slot = input['id'] === undefined ? undefined : table.slot(input['id'])
      return slot?.after === undefined ? insert(input) : update(slot, input)
    }
    case 'insertMany': {
      const inputs = operation.inputs.map(of)
      inputs.forEach(check)
      const given = isSingle ? inputs.map(({ id }) => id) : []
      return attemptAll(inputs, input => table.insert(input, given, tables.now), isSingle)
    }
    case 'update': {
      const slot = slotAt(operation.key)
      const input = of(operation.input)
      check(input)
      if (slot?.after === undefined) {
        const key = String(keyAt(world.definitions[operation.bucket], operation.key))
        throw new Refused([`Error: Record with key "${key}" not found in bucket "${operation.bucket}"`])
      }
      return update(slot, input)
    }
    case 'updateMany': {
      const input = of(operation.input)
      check(input)
      const found = matching(table, of(operation.filter))
      return attemptAll(found, slot => table.update(slot, input), isSingle).length
    }
    case 'delete': {
      const slot = slotAt(operation.key)
      if (slot?.after !== undefined) tables.delete(table, slot)
      return undefined
    }
    case 'deleteMany': {
      const found = matching(table, of(operation.filter))
      // All of them go: none of them loses a reference.
      if (isSingle) for (const slot of found) table.write(slot, undefined)
      for (const slot of found) if (isSingle || slot.after !== undefined) tables.delete(table, slot)
      return found.length
    }
    case 'get': return slotAt(operation.key)?.after
    case 'all': return table.records
    default: return read(operation.kind, table, operation.filter === undefined ? {} : of(operation.filter))
  }
}

/** Does the same to all; outside of a transaction any of the refusals is right. */
function attemptAll<T, R> (items: readonly T[], run: (item: T) => R, isSingle: boolean): R[] {
  const errors: string[] = []
  const results: R[] = []
  for (const item of items) {
    try {
      results.push(run(item))
    } catch (error) {
      if (!isSingle || !(error instanceof Refused)) throw error
      errors.push(...error.errors)
    }
  }
  if (errors.length > 0) throw new Refused(errors)
  return results
}

function read (kind: 'where' | 'findOne' | 'count', table: Table, filter: Input): unknown {
  const records = matching(table, filter).map(({ after }) => after)
  return kind === 'where' ? records : kind === 'count' ? records.length : records[0]
}

function matching (table: Table, filter: Input): Slot[] {
  if (isBadFilter(filter, table.definition)) throw new Refused([ANY_FILTER_ERROR])
  return table.slots.filter(({ after }) => after !== undefined && matches(after, filter, table.definition))
}

/** Stands for the errors of filters, whose texts tests of their own name. */
export const ANY_FILTER_ERROR = 'FilterError'

function contentsOf (tables: Tables): Contents {
  return Object.fromEntries(tables.all.map(table => [table.name, table.records]))
}

/** One event for each key whose record is another one. */
function eventsOf (tables: Tables): HeardEvent[] {
  return tables.all.flatMap(({ name: bucket, slots }) => slots.flatMap(({ before, after }): HeardEvent[] => {
    if (before === after) return []
    const type = before === undefined ? 'inserted' : after === undefined ? 'deleted' : 'updated'
    const topic = `bucket.${bucket}.${type}`
    const key = (after ?? before)?.['id']
    if (before !== undefined && after !== undefined) {
      return [{ topic, type, bucket, key, oldRecord: before, newRecord: after }]
    }
    return [{ topic, type, bucket, key, record: (after ?? before) as StoreRecord }]
  }))
}
