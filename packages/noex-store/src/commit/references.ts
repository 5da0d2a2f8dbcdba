import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../rows/row.js'
import { BucketNotDefinedError, CommitTooLargeError, ReferentialIntegrityError } from '../errors.js'
import type { Reference } from '../schema/bucket-schema.js'
import type { StoreRecord } from '../types/record.js'
import type { Plan, Step } from './plan.js'

/** Buckets by name. */
export type Buckets = ReadonlyMap<string, Bucket>

/** A field that refers to the bucket in question. */
export interface InboundReference {
  readonly source: Bucket
  readonly reference: Reference
}

/**
 * Refuses a record that refers to one which does not exist.
 * @throws ReferentialIntegrityError, BucketNotDefinedError for the bucket that it refers to
 */
export function checkInput (
  buckets: Buckets, bucket: Bucket, input: Readonly<Record<string, unknown>>, now: number,
  references: readonly Reference[] = bucket.schema.references
): void {
  for (const { field, target } of references) {
    const key = input[field]
    if (key === undefined || key === null) continue
    const targets = buckets.get(target)
    if (targets === undefined) throw new BucketNotDefinedError(target)
    if (!targets.isLive(targets.row(key)?.record, now)) throw missing(bucket.name, field, target, key)
  }
}

/**
 * Adds to a plan what its deletes do to the records that refer to the deleted ones: those are deleted too, or
 * lose the reference. What it has added before is left as it is. It may stop between two records, and go on
 * in a later turn.
 * @throws ReferentialIntegrityError where a record refers to a deleted one by a field of `restrict`
 */
export function * followDeletes (
  plan: Plan, inboundOf: (bucket: Bucket) => readonly InboundReference[], time: number
): Generator<undefined, undefined> {
  const restricting: Array<readonly [Step, InboundReference, Row]> = []
  // The list grows while it is walked.
  for (const step of plan.steps) {
    if (step.after !== undefined || step.before === undefined) continue
    for (const inbound of inboundOf(step.bucket)) {
      const index = inbound.source.contents.byField.get(inbound.reference.field)
      if (index === undefined || index.hash.size(step.key) === 0) continue
      checkCauses(inbound, step.key, plan.maxSteps)
      // Copied, because others may write while the rows are gone through.
      for (const row of [...index.hash.rows(step.key)]) {
        // A record whose time is up refers to nothing, though it may not be removed yet.
        if (!inbound.source.isLive(row.record, time)) continue
        plan.work?.take(1)
        if (inbound.reference.onDelete === 'restrict') restricting.push([step, inbound, row])
        else release(plan, inbound, row, step.key, time)
        yield
      }
    }
  }
  for (const [{ bucket, before }, { source, reference }, row] of restricting) {
    const key = before?.[bucket.schema.key]
    if (refersTo(plan.recordAfter(source, row.key), source, reference.field, bucket.keyOf(key))) {
      throw restricted(bucket.name, key, source.name, row.record?.[source.schema.key], reference.field)
    }
  }
}

/**
 * Refuses at once what its causes would make too large: all records that refer to a deleted one are written
 * with it, but for those whose time is up.
 * @throws CommitTooLargeError
 */
export function checkCauses (
  { source, reference }: InboundReference, key: unknown, maxChanges: number
): void {
  if (reference.onDelete === 'restrict' || source.schema.ttlMs !== undefined) return
  const count = source.contents.byField.get(reference.field)?.hash.size(key) ?? 0
  if (count > maxChanges) throw new CommitTooLargeError(count, maxChanges)
}

function release (
  plan: Plan,
  { source, reference }: InboundReference,
  row: Row,
  target: unknown,
  time: number
): void {
  const step = plan.find(source, row.key)
  const record = step === undefined ? row.record : step.after
  // Deleted already, or made to refer to another record.
  if (!refersTo(record, source, reference.field, target)) return
  // Written after what it refers to was deleted, and it along with that, or the reference taken from it.
  if (step?.isCaused === false) {
    throw missing(source.name, reference.field, reference.target, record?.[reference.field])
  }
  const after = reference.onDelete === 'cascade'
    ? undefined
    : source.maker.update(record as StoreRecord, { [reference.field]: null }, time)
  if (step === undefined) plan.addCaused(source, row.key, row, after)
  else step.after = after
}

/** Tells whether a plan deletes records that others may refer to. */
export function hasCauses (plan: Plan, inboundOf: (bucket: Bucket) => readonly InboundReference[]): boolean {
  return plan.steps.some(({ bucket, before, after, key }) => after === undefined && before !== undefined &&
    inboundOf(bucket).some(({ source, reference: { field } }) =>
      (source.contents.byField.get(field)?.hash.size(key) ?? 0) > 0))
}

function refersTo (record: StoreRecord | undefined, source: Bucket, field: string, target: unknown): boolean {
  if (record === undefined) return false
  const index = source.contents.byField.get(field)
  return index !== undefined && index.valueOf(record) === target
}

/**
 * Refuses a plan whose records would refer to some that will not exist.
 * @throws ReferentialIntegrityError, BucketNotDefinedError
 */
export function checkReferences (buckets: Buckets, plan: Plan, now: number): void {
  // Where nothing is deleted, what is there stays there: the plan need not be searched.
  const losing = plan.hasDeletes
    ? new Set(plan.steps.filter(({ after }) => after === undefined).map(({ bucket }) => bucket))
    : undefined
  for (const step of plan.steps) {
    const { bucket, before, after } = step
    if (after === undefined) continue
    for (const { field, target } of bucket.schema.references) {
      const key = after[field]
      if (key === undefined || key === null || before?.[field] === key) continue
      const targets = buckets.get(target)
      if (targets === undefined) throw new BucketNotDefinedError(target)
      if (losing?.has(targets) !== true && targets.isLive(targets.row(key)?.record, now)) continue
      const wanted = targets.keyOf(key)
      if (targets.isLive(plan.recordAfter(targets, wanted), now)) continue
      const loss = plan.find(targets, wanted)
      // A record that the writer has deleted after it had written the reference was held by that.
      if (loss?.before !== undefined && plan.steps.indexOf(loss) > plan.steps.indexOf(step)) {
        throw restricted(target, key, bucket.name, after[bucket.schema.key], field)
      }
      throw missing(bucket.name, field, target, key)
    }
  }
}

function missing (bucket: string, field: string, target: string, key: unknown): ReferentialIntegrityError {
  const message = `Foreign key violation in bucket "${bucket}": field "${field}" ` +
    `references bucket "${target}" with key "${String(key)}", but no such record exists`
  return new ReferentialIntegrityError(message, 'REFERENCE_MISSING', bucket, field, target, key)
}

function restricted (
  bucket: string, key: unknown, source: string, sourceKey: unknown, field: string
): ReferentialIntegrityError {
  const message = `Cannot delete from bucket "${bucket}" (key "${String(key)}"): ` +
    `referenced by bucket "${source}" (key "${String(sourceKey)}") via field "${field}"`
  return new ReferentialIntegrityError(message, 'REFERENCE_HELD', source, field, bucket, key)
}
