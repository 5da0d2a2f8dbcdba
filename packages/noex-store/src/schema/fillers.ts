import { ValidatorError } from '../errors.js'
import type { BucketDefinition } from '../types/schema.js'
import { isThenable } from '../util/value-kinds.js'
import { generateCuid, generateTimestamp, generateUuid } from './generate.js'
import type { Filler } from './template.js'

/**
 * Returns what fills in the fields that an insert leaves out: generated values first, defaults after them.
 * `takeNumber` returns the autoincrement number of the record that is being made.
 */
export function fillersOf (
  bucket: string, { schema }: Pick<BucketDefinition, 'schema'>, takeNumber: () => number
): ReadonlyMap<string, Filler> {
  const generators = {
    uuid: generateUuid, cuid: generateCuid, timestamp: generateTimestamp, autoincrement: takeNumber
  }
  const fillers = new Map<string, Filler>()
  for (const [field, { generated }] of Object.entries(schema)) {
    if (generated != null) fillers.set(field, generators[generated])
  }
  for (const [field, options] of Object.entries(schema)) {
    if (options.default === undefined || fillers.has(field)) continue
    fillers.set(field, typeof options.default === 'function'
      ? compute(bucket, field, options.default as () => unknown)
      : constant(options.default))
  }
  return fillers
}

function constant (value: unknown): Filler {
  return () => value
}

function compute (bucket: string, field: string, make: () => unknown): Filler {
  return () => {
    const value = make()
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value
    if (isThenable(value)) {
      // Its rejection must not end the process.
      Promise.resolve(value).catch(() => {})
      throw new ValidatorError(
        bucket, `default of field "${field}"`, 'is asynchronous; it must return its value at once'
      )
    }
    return value
  }
}
