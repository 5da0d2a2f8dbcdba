import { InputTooLargeError } from '../errors.js'
import type { Row } from '../rows/row.js'
import type { RecordChange } from '../types/commit.js'
import type { Step } from './plan.js'
import type { Undo } from './undo-log.js'

/** Estimated bytes of the records of a commit that goes to a log, as one line. */
const MAX_LOGGED_BYTES = 41_943_040

/**
 * @throws InputTooLargeError, with all steps taken back, when a log could not hold their records in one line
 */
export function refuseTooManyBytes (steps: readonly Step[], undo: Undo[]): void {
  let bytes = 0
  for (const { row, after } of steps) if (after !== undefined) bytes += row?.bytes ?? 0
  if (bytes <= MAX_LOGGED_BYTES) return
  for (const step of undo.reverse()) step()
  throw new InputTooLargeError((steps[0] as Step).bucket.name, 'operation', MAX_LOGGED_BYTES)
}

/** Does one step of a commit; what takes it back is added to `undo`. */
export function applyStep (step: Step, undo: Undo[] | undefined): RecordChange {
  const { bucket, before, after } = step
  const type = before === undefined ? 'insert' : after === undefined ? 'delete' : 'update'
  if (after === undefined) {
    const row = step.row as NonNullable<Step['row']>
    const forgotten = bucket.delete(row)
    undo?.push(() => { bucket.undoDelete(row, before as NonNullable<typeof before>, forgotten) })
  } else if (before === undefined) {
    const known = bucket.deleted.get(step.key)
    const row = bucket.insert(step.key, after)
    step.row = row
    undo?.push(() => { bucket.undoInsert(row, known) })
  } else {
    const row = step.row as NonNullable<Step['row']>
    bucket.update(row, after)
    undo?.push(() => { bucket.update(row, before) })
  }
  const written = (after ?? before)?.[bucket.schema.key]
  const { place } = step.row as Row
  const change = { type, bucket: bucket.name, key: written, before, after, place } as const
  return step.isCaused ? { ...change, isCaused: true } : change
}
