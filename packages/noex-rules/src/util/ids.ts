import { randomBytes } from 'node:crypto'

/** Returns a generator of ids: unique in this process, and random enough to be unique elsewhere. */
export function createIds (): () => string {
  const prefix = randomBytes(9).toString('base64url')
  let count = 0
  return () => `${prefix}-${(++count).toString(36)}`
}
