import { NoexServerError } from '../protocol/errors.js'
import type { Work } from '../store/work.js'

/**
 * Levels of nesting that values of procedures may have; records that the application stores may have more.
 */
const MAX_DEPTH = 64

/** The approximate number of JSON characters that may still be produced; used up while a value is built. */
export class SizeBudget {
  readonly #total: number
  #left: number

  constructor (chars: number) {
    this.#total = chars
    this.#left = chars
  }

  /** Characters that are left. */
  get left (): number {
    return this.#left
  }

  /** Uses up `chars`. @throws `VALIDATION_ERROR` when fewer are left */
  take (chars: number): void {
    this.require(chars)
    this.#left -= chars
  }

  /**
   * Uses up the characters of the JSON of a value.
   * @throws `VALIDATION_ERROR`, also for a value that is nested too deep or no JSON
   */
  takeValue (value: unknown, depth = 0): void {
    if (typeof value === 'string') {
      this.take(value.length + 2)
    } else if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') {
      throw new NoexServerError('VALIDATION_ERROR', `A value is a ${typeof value}, which JSON cannot hold`)
    } else if (typeof value !== 'object' || value === null) {
      this.take(typeof value === 'number' ? String(value).length : 4)
    } else {
      if (depth === MAX_DEPTH) {
        throw new NoexServerError('VALIDATION_ERROR', `A value is nested deeper than ${MAX_DEPTH} levels`)
      }
      this.take(2)
      if (Array.isArray(value)) this.#takeItems(value, depth)
      else this.#takeMembers(value, depth)
    }
  }

  /** Like `takeValue`, in slices. */
  async takeInSlices (value: unknown, work: Work): Promise<void> {
    if (!Array.isArray(value)) {
      this.takeValue(value)
      return
    }
    this.take(2)
    await work.each(value as unknown[], 16, item => {
      this.take(1)
      this.takeValue(item, 1)
    })
  }

  /** @throws `VALIDATION_ERROR` when fewer than `chars` are left */
  require (chars: number): void {
    if (chars > this.#left) {
      throw new NoexServerError(
        'VALIDATION_ERROR',
        `This would take more than ${this.#total} characters of JSON`
      )
    }
  }

  #takeItems (items: readonly unknown[], depth: number): void {
    for (const item of items) {
      this.take(1)
      this.takeValue(item, depth + 1)
    }
  }

  #takeMembers (value: object, depth: number): void {
    for (const name of Object.keys(value)) {
      this.take(name.length + 4)
      this.takeValue((value as Readonly<Record<string, unknown>>)[name], depth + 1)
    }
  }
}

/** Returns the approximate number of JSON characters of a value. @throws `VALIDATION_ERROR` above `limit` */
export function jsonChars (value: unknown, limit: number): number {
  const sizeBudget = new SizeBudget(limit)
  sizeBudget.takeValue(value)
  return limit - sizeBudget.left
}
