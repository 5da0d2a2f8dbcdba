/** A longer topic, key or name of a timer is refused; in characters. */
const MAX_NAME_LENGTH = 1024

/** Refuses what cannot be a topic, a key or the name of a timer: throws `TypeError`. `subject` begins its message. */
export function assertName (name: unknown, subject: string): asserts name is string {
  if (typeof name === 'string' && name !== '' && name.length <= MAX_NAME_LENGTH) return
  throw new TypeError(`${subject} must be a text of 1 to ${MAX_NAME_LENGTH} characters`)
}

/** Refuses what cannot be the data of an event: throws `TypeError`. */
export function assertData (data: unknown, subject: string): asserts data is Record<string, unknown> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return
  throw new TypeError(`${subject} must be an object`)
}
