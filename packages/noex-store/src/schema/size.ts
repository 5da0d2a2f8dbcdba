import { InputTooLargeError } from '../errors.js'

/** Bytes of a number with a fraction, on average. */
const FRACTION_BYTES = 8
/** Bytes of a date: ISO 8601 text with its quotes. */
export const DATE_BYTES = 26
/** Bytes around the name of a member: quotes, colon, comma. */
export const MEMBER_BYTES = 4
/** Levels that are looked at; what lies deeper counts as a scalar. Input is not as deep. */
const MAX_DEPTH = 128

/**
 * Estimates the bytes of a value as JSON. Texts count one byte a UTF-16 unit, numbers with a fraction eight:
 * within 5 % for texts of ASCII and whole numbers; texts of other scripts take up to three times of that in
 * UTF-8, control characters up to six times.
 */
export function estimateBytes (value: unknown, depth = 0): number {
  switch (typeof value) {
    case 'string':
      return value.length + 2
    case 'number':
      return numberBytes(value)
    case 'object':
      return value === null ? 4 : objectBytes(value, depth)
    default:
      return 5
  }
}

function objectBytes (value: object, depth: number): number {
  if (depth > MAX_DEPTH) return 2
  if (value instanceof Date) return DATE_BYTES
  let bytes = 2
  if (Array.isArray(value)) {
    for (const item of value) bytes += estimateBytes(item, depth + 1) + 1
    return bytes
  }
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name]
    if (member !== undefined) bytes += name.length + MEMBER_BYTES + estimateBytes(member, depth + 1)
  }
  return bytes
}

/** Estimates the bytes of a number as JSON: exact for whole ones of up to 15 digits. */
export function numberBytes (value: number): number {
  if (!Number.isInteger(value)) return FRACTION_BYTES
  let rest = value < 0 ? -value : value
  let bytes = value < 0 ? 2 : 1
  for (; rest >= 10_000 && bytes < 22; rest /= 10_000) bytes += 4
  if (rest >= 1_000) return bytes + 3
  return rest >= 100 ? bytes + 2 : rest >= 10 ? bytes + 1 : bytes
}

/** Counts the bytes of what one operation brings. */
export class OperationBudget {
  readonly #limit: number
  #bytes = 0

  constructor (limit: number) {
    this.#limit = limit
  }

  /** @throws InputTooLargeError when it is more than the limit in all */
  add (bucket: string, bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#limit) throw new InputTooLargeError(bucket, 'operation', this.#limit)
  }
}
