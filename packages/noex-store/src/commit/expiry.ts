import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from './engine.js'
import type { Step } from './plan.js'

/** Records that one commit removes because their time is up. */
const MAX_GROUP = 1_000

/** Groups that a read or write removes before it goes on; what is left is hidden and removed later. */
const MAX_GROUPS = 2

/**
 * Removes the records whose time is up, before a read or write of the bucket. Where they are too many for
 * that, the rest is hidden until `purge` has removed it. The read that follows in the same step is of this
 * moment.
 */
export function expireDue (engine: Engine, bucket: Bucket): void {
  const { expiry } = bucket.contents
  if (expiry === undefined) return
  const { now } = engine
  bucket.readAt = now
  if (expiry.nextTime > now) return
  for (let group = 0; group < MAX_GROUPS; group++) {
    if (expireGroup(engine, bucket, now) < MAX_GROUP) return
  }
  if (expiry.due(now) !== undefined && !bucket.hasOverdue) {
    bucket.hasOverdue = true
    engine.background.add(purgeBucket(engine, bucket))
  }
}

/**
 * Waits until a bucket has no hidden records whose time is up, so that a write finds their keys and unique
 * values free; `undefined` when there are none.
 */
export function whenPurged (engine: Engine, name: string): Promise<unknown> | undefined {
  return isOverdue(engine, name) ? purgeBucket(engine, engine.buckets.get(name) as Bucket) : undefined
}

/** Whether a bucket has more records whose time is up than this step removes. */
export function isOverdue (engine: Engine, name: string): boolean {
  const bucket = engine.buckets.get(name)
  if (bucket === undefined || bucket.contents.expiry === undefined) return false
  expireDue(engine, bucket)
  return bucket.hasOverdue
}

/** Removes all records of all buckets whose time is up, in slices. Resolves with their number. */
export async function purge (engine: Engine): Promise<number> {
  let count = 0
  for (const bucket of [...engine.buckets.values()]) count += await purgeBucket(engine, bucket)
  return await engine.durably(count)
}

/**
 * Purges a bucket, or joins the purge that is under way, so that who waits for it goes on in the order of the
 * calls.
 */
function purgeBucket (engine: Engine, bucket: Bucket): Promise<number> {
  bucket.purge ??= purgeInSlices(engine, bucket).finally(() => { bucket.purge = undefined })
  return bucket.purge
}

async function purgeInSlices (engine: Engine, bucket: Bucket): Promise<number> {
  let count = 0
  for (;;) {
    const group = expireGroup(engine, bucket, engine.now)
    count += group
    if (group < MAX_GROUP) break
    bucket.hasOverdue = true
    if (engine.slicer.isSpent) await engine.slicer.nextTurn()
    if (engine.buckets.get(bucket.name) !== bucket) return count
  }
  if (engine.unavailable === undefined) bucket.hasOverdue = false
  return count
}

/** Removes at most one commit's number of records. Returns how many. */
function expireGroup (engine: Engine, bucket: Bucket, now: number): number {
  const { expiry } = bucket.contents
  if (expiry === undefined || engine.isStopped) return 0
  if (expiry.due(now) === undefined) return 0
  if (engine.unavailable !== undefined) {
    bucket.hasOverdue = true
    return 0
  }
  const steps = expiry.allDue(now, MAX_GROUP).map((row): Step =>
    ({ bucket, key: row.key, row, before: row.record, after: undefined, isCaused: false }))
  engine.commitUnchecked(steps)
  return steps.length
}
