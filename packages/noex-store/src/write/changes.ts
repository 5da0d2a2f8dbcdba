import type { Bucket } from '../bucket/bucket.js'
import { ValidationError } from '../errors.js'
import type { Changes } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'

export type Input = Readonly<Record<string, unknown>>

/**
 * Checks that input is an object.
 * @throws ValidationError
 */
export function checkObject (bucket: Bucket, input: unknown): asserts input is Input {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return
  throw new ValidationError(
    bucket.name, [{ field: '_record', message: 'A record must be an object', code: 'type' }]
  )
}

/**
 * Returns the changes of a record: those that are given, or those that the given function makes of it.
 * @throws TypeError for a function that returns something else than an object at once; what it throws
 */
export function changesOf (bucket: Bucket, changes: Changes, record: StoreRecord): Input {
  if (typeof changes !== 'function') return changes
  const made: unknown = changes(record)
  const wrong = problemOf(made)
  if (wrong === undefined) return made as Input
  throw new TypeError(`The function of an update of bucket "${bucket.name}" returned ${wrong}: ` +
    'it must return an object of the members to change, at once')
}

function problemOf (made: unknown): string | undefined {
  if (made === null) return 'null'
  if (typeof made !== 'object') return made === undefined ? 'nothing' : `a ${typeof made}`
  if (Array.isArray(made)) return 'an array'
  const { then } = made as { then?: unknown }
  if (typeof then !== 'function') return undefined
  // Its rejection is not the process's to die of.
  Promise.resolve(made).catch(() => {})
  return 'a promise'
}
