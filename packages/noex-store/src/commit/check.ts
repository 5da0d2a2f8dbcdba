import type { Bucket } from '../bucket/bucket.js'
import { QuotaExceededError, TransactionConflictError, UniqueConstraintError } from '../errors.js'
import type { FieldIndex } from '../index/field-index.js'
import { estimateBytes } from '../schema/size.js'
import type { StoreRecord } from '../types/record.js'
import { Plan, type Step } from './plan.js'

/**
 * Refuses a plan that was made of records which are no longer those of the store.
 * @throws TransactionConflictError naming the first of them
 */
export function checkUnchanged ({ steps }: Plan): void {
  for (const { bucket, key, row, before, after } of steps) {
    const current = bucket.contents.rows.get(key)
    if (current !== row || current?.record !== before) throw changedRecordError(bucket, key, before)
    // A record that a transaction has inserted and updated has a higher version than the next one, which is
    // no harm.
    if (before === undefined && after !== undefined && after._version < bucket.deleted.nextVersion(key)) {
      throw changedRecordError(bucket, key, before)
    }
  }
}

/** The error for a record that another writer has changed since it was read. */
export function changedRecordError (
  bucket: Bucket, key: unknown, before: StoreRecord | undefined
): TransactionConflictError {
  const current = bucket.contents.rows.get(key)?.record
  const message = before === undefined
    ? `Record with key "${String(key)}" ${current === undefined ? 'has come and gone' : 'already exists'}`
    : current === undefined
      ? `Record with key "${String(key)}" not found`
      : `Version mismatch: expected ${before._version}, got ${current._version}`
  return new TransactionConflictError(bucket.name, key, message)
}

/**
 * Refuses a plan after which two records of a bucket would share a unique value.
 * @throws UniqueConstraintError
 */
export function checkUnique (plan: Plan): void {
  const { steps } = plan
  if (steps.length === 1) {
    const { bucket, row, before, after } = steps[0] as Step
    if (after === undefined) return
    for (const index of bucket.contents.uniques) {
      const value = index.valueOf(after)
      const isNew = value !== null && value !== undefined &&
        (before === undefined || index.valueOf(before) !== value)
      if (isNew && index.hash.size(value) > 0 && index.hash.any(value) !== row) {
        throw taken(bucket, index, after)
      }
    }
    return
  }
  for (const bucket of new Set(steps.map(step => step.bucket))) {
    for (const index of bucket.contents.uniques) checkUniqueField(plan, bucket, index)
  }
}

/** Counts who leaves a value and who comes to it: each value may have one holder in the end. */
function checkUniqueField ({ steps }: Plan, bucket: Bucket, index: FieldIndex): void {
  const leaving = new Map<unknown, number>()
  const coming: Array<readonly [unknown, StoreRecord]> = []
  for (const { bucket: of, before, after } of steps) {
    if (of !== bucket) continue
    const from = before === undefined ? undefined : index.valueOf(before)
    const to = after === undefined ? undefined : index.valueOf(after)
    if (from === to) continue
    if (from !== undefined && from !== null) leaving.set(from, (leaving.get(from) ?? 0) + 1)
    if (to !== undefined && to !== null) coming.push([to, after as StoreRecord])
  }
  const arrived = new Set<unknown>()
  for (const [value, record] of coming) {
    if (arrived.has(value) || index.hash.size(value) > (leaving.get(value) ?? 0)) {
      throw taken(bucket, index, record)
    }
    arrived.add(value)
  }
}

function taken (
  bucket: Bucket, { options: { field } }: FieldIndex, record: StoreRecord
): UniqueConstraintError {
  return new UniqueConstraintError(bucket.name, field, record[field])
}

/**
 * Refuses a plan that would take a bucket above its quota. One that makes it smaller passes always.
 * @throws QuotaExceededError
 */
export function checkQuotas ({ steps }: Plan): void {
  let growth: Map<Bucket, { records: number, bytes: number }> | undefined
  for (const { bucket, row, before, after } of steps) {
    const { maxRecords, maxBytes } = bucket.schema.definition
    if (maxRecords === undefined && maxBytes === undefined) continue
    growth ??= new Map()
    const grown = growth.get(bucket) ?? { records: 0, bytes: 0 }
    grown.records += Number(after !== undefined) - Number(before !== undefined)
    if (maxBytes !== undefined) {
      grown.bytes += (after === undefined ? 0 : estimateBytes(after)) - (row?.bytes ?? 0)
    }
    growth.set(bucket, grown)
  }
  for (const [bucket, { records, bytes }] of growth ?? []) {
    const { maxRecords, maxBytes } = bucket.schema.definition
    if (maxRecords !== undefined && records > 0 && bucket.size + records > maxRecords) {
      throw new QuotaExceededError(bucket.name, 'maxRecords', maxRecords)
    }
    if (maxBytes !== undefined && bytes > 0 && bucket.contents.bytes + bytes > maxBytes) {
      throw new QuotaExceededError(bucket.name, 'maxBytes', maxBytes)
    }
  }
}

/**
 * Makes room for the inserts of a plan in buckets with a `maxSize`: the oldest records go, those that the
 * plan itself writes last. Returns the plan without the inserts for which there is no room at all.
 */
export function evict (plan: Plan): Plan {
  let inserts: Map<Bucket, number> | undefined
  for (const { bucket, before, after } of plan.steps) {
    if (bucket.schema.definition.maxSize === undefined) continue
    inserts ??= new Map()
    inserts.set(
      bucket, (inserts.get(bucket) ?? 0) + Number(after !== undefined) - Number(before !== undefined)
    )
  }
  if (inserts === undefined) return plan
  let kept = plan
  for (const [bucket, grown] of inserts) {
    let surplus = bucket.size + grown - (bucket.schema.definition.maxSize as number)
    if (grown <= 0 || surplus <= 0) continue
    for (const row of bucket.contents.sequence.from(0)) {
      if (surplus === 0) break
      if (kept.find(bucket, row.key) !== undefined) continue
      kept.addFreely(bucket, row.key, row, undefined)
      surplus--
    }
    if (surplus > 0) kept = withoutFirst(kept, bucket, surplus)
  }
  return kept
}

/**
 * Leaves out the first inserts into a bucket that cannot hold them all, and after them its updates: these
 * become deletes.
 */
function withoutFirst (plan: Plan, bucket: Bucket, surplus: number): Plan {
  const kept = new Plan()
  let left = surplus
  for (const { bucket: of, key, row, before, after } of plan.steps) {
    if (of === bucket && before === undefined && left > 0) left--
    else kept.addFreely(of, key, row, after, before)
  }
  for (const step of kept.steps) {
    if (left === 0) break
    if (step.bucket !== bucket || step.after === undefined || step.before === undefined) continue
    step.after = undefined
    left--
  }
  return kept
}
