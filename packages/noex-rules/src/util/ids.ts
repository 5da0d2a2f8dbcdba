import { randomBytes } from 'node:crypto'

/** Makes ids that are unique in this process, and by chance in the world. */
export function createIds (): () => string {
  const prefix = randomBytes(9).toString('base64url')
  let count = 0
  return () => `${prefix}-${(++count).toString(36)}`
}
