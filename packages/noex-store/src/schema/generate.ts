import { randomBytes, randomUUID } from 'node:crypto'

/** Returns a random UUID of version 4. */
export function generateUuid (): string {
  return randomUUID()
}

/** Returns `c` and 32 random hexadecimal digits. */
export function generateCuid (): string {
  return `c${randomBytes(16).toString('hex')}`
}

/** Returns the time in epoch milliseconds. */
export function generateTimestamp (): number {
  return Date.now()
}
