/** The most characters of a topic, a key or the name of a timer. */
const MAX_NAME_LENGTH = 1024

/**
 * Throws `TypeError` unless a value can be a topic, a key or the name of a timer. `subject` begins its
 * message.
 */
export function assertName (name: unknown, subject: string): asserts name is string {
  if (typeof name === 'string' && name !== '' && name.length <= MAX_NAME_LENGTH) return
  throw new TypeError(`${subject} must be a text of 1 to ${MAX_NAME_LENGTH} characters`)
}

/** Throws `TypeError` unless a value can be the data of an event. */
export function assertData (data: unknown, subject: string): asserts data is Record<string, unknown> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return
  throw new TypeError(`${subject} must be an object`)
}
