import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const START = 1_700_000_000_000
const { randomUUID, randomBytes } = crypto
const { now } = Date

/** Time and random values of both stores, in the hands of the test. */
export class Controlled {
  time = START
  #next = 0

  /** Takes the clock and the source of generated keys away from the process until `release`. */
  constructor () {
    Date.now = () => this.time
    crypto.randomUUID = () => `00000000-0000-4000-8000-${String(this.#next++).padStart(12, '0')}`
    crypto.randomBytes = ((size: number) => {
      const bytes = Buffer.alloc(size)
      bytes.writeUInt32BE(this.#next++, size - 4)
      return bytes
    }) as typeof crypto.randomBytes
    syncBuiltinESMExports()
  }

  /** Makes the next generated values those of a number. */
  generateFrom (next: number): void {
    this.#next = next
  }

  release (): void {
    Date.now = now
    Object.assign(crypto, { randomUUID, randomBytes })
    syncBuiltinESMExports()
  }
}
