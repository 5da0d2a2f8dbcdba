import type { Bucket } from '../bucket/bucket.js'
import { outlivesProcess } from '../schema/definition-data.js'
import type { Change } from '../types/commit.js'
import { applyStep } from './apply-step.js'
import type { Engine } from './engine.js'
import { Plan, type Step } from './plan.js'
import { followDeletes, type InboundReference } from './references.js'
import type { Undo } from './undo-log.js'

/**
 * Removes in one commit all records that were not to outlive the process which wrote them; none commit
 * nothing. Records that stay and refer to them are deleted too, or lose the reference, as `onDelete` says;
 * `restrict` cannot hold what has ended, and its reference stays as it is.
 */
export function removeEnded (engine: Engine): void {
  const ended = new Set([...engine.buckets.values()].filter(isEnded))
  if (ended.size === 0) return
  const caused = causedBy(engine, ended)
  const changes: Change[] = []
  const undo: Undo[] = []
  engine.commitStructure(changes, () => {
    for (const step of caused) changes.push(applyStep(step, undo))
    for (const bucket of ended) {
      changes.push({ type: 'clear', bucket: bucket.name })
      undo.push(bucket.clear())
    }
  }, () => { for (const step of undo.reverse()) step() })
}

function isEnded ({ size, schema }: Bucket): boolean {
  return size > 0 && !outlivesProcess(schema.definition)
}

/** Returns the steps by which the end of these buckets' records changes those of others. */
function causedBy (engine: Engine, ended: ReadonlySet<Bucket>): Step[] {
  const inboundOf = (bucket: Bucket): readonly InboundReference[] => {
    const inbound = engine.inboundOf(bucket).filter(({ source }) => !ended.has(source))
    return ended.has(bucket) ? inbound.filter(({ reference }) => reference.onDelete !== 'restrict') : inbound
  }
  const plan = new Plan()
  for (const bucket of ended) {
    const inbound = inboundOf(bucket)
    if (inbound.length === 0) continue
    for (const row of bucket.contents.sequence.from(0)) {
      const isHeld = inbound.some(({ source, reference: { field } }) =>
        (source.contents.byField.get(field)?.hash.size(row.key) ?? 0) > 0)
      if (isHeld) plan.addFreely(bucket, row.key, row, undefined)
    }
  }
  try {
    const causes = followDeletes(plan, inboundOf, engine.now)
    while (causes.next().done !== true);
  } catch {
    // What they would cause is held by records of others: then all of those stay as they are.
    return []
  }
  return plan.steps.filter(({ isCaused }) => isCaused)
}
