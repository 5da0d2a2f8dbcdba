import { ValidationError, ValidatorError, type ValidationIssue } from '../errors.js'

const { setTimeout: startTimer, clearTimeout: cancelTimer } = globalThis

/** Checks of one store that are waited for at a time; further ones are refused, so that memory is bounded. */
const MAX_WAITING = 10_000

/** A check of a record whose validator has returned a promise. */
export interface PendingCheck {
  /** The validator, for messages: `validator of field "age"`. */
  readonly subject: string
  /** Resolves with what is wrong; its rejection is handled. */
  readonly issues: Promise<readonly ValidationIssue[]>
}

/** Notes the answer of a validator that is still to come. */
export function pendingCheck (
  subject: string, answer: PromiseLike<unknown>, read: (answer: unknown) => readonly ValidationIssue[]
): PendingCheck {
  const issues = Promise.resolve(answer).then(read)
  // It may reject before it is waited for, or never be.
  issues.catch(() => {})
  return { subject, issues }
}

/** Waits for the checks of a store's records. */
export class CheckWaiter {
  readonly #timeoutMs: number
  #waiting = 0

  /** A check that takes longer than `timeoutMs` milliseconds refuses its write. */
  constructor (timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /**
   * Refuses a write to a bucket with validators while too many are waited for: before it runs them, so that
   * one which writes to the store in a loop comes to an end.
   * @throws ValidatorError
   */
  assertRoom (bucket: string): void {
    if (this.#waiting < MAX_WAITING) return
    throw new ValidatorError(
      bucket, 'validators',
      `cannot run: ${this.#waiting} answers are waited for, at most ${MAX_WAITING} may be`
    )
  }

  /**
   * Waits for all checks of one write to a bucket.
   * @throws ValidationError with everything that they have found; what a validator rejects with;
   * ValidatorError for one that does not settle in time
   */
  async settle (bucket: string, checks: readonly PendingCheck[]): Promise<void> {
    this.#waiting += checks.length
    let timer: NodeJS.Timeout | undefined
    const settled = new Set<PendingCheck>()
    try {
      const late = new Promise<never>((_resolve, reject) => {
        timer = startTimer(() => {
          const subject = checks.find(check => !settled.has(check))?.subject ?? 'validator'
          reject(new ValidatorError(bucket, subject, `has not settled within ${this.#timeoutMs} ms`))
        }, this.#timeoutMs)
      })
      const issues = Promise.all(checks.map(async check => {
        const found = await check.issues
        settled.add(check)
        return found
      }))
      const found = (await Promise.race([issues, late])).flat()
      if (found.length > 0) throw new ValidationError(bucket, found)
    } finally {
      cancelTimer(timer)
      this.#waiting -= checks.length
    }
  }
}
