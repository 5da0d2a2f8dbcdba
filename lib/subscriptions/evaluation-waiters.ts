interface Waiter {
  /** The number of the evaluation from which on the result is new enough. */
  readonly evaluation: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Wraps an error: a query may throw `undefined` too. */
export interface Failure {
  readonly error: unknown
}

/** The callers that wait for an evaluation of one query, which are numbered from 1 on. */
export class EvaluationWaiters {
  #waiters: Waiter[] = []

  get size (): number {
    return this.#waiters.length
  }

  /** Resolves when this evaluation or a later one has succeeded; rejects with its error. */
  wait (evaluation: number): Promise<void> {
    return new Promise<void>((resolve, reject) => { this.#waiters.push({ evaluation, resolve, reject }) })
  }

  /** Settles the callers that wait for this evaluation or an earlier one. */
  settle (evaluation: number, failure: Failure | undefined): void {
    const waiters = this.#waiters
    this.#waiters = waiters.filter(waiter => waiter.evaluation > evaluation)
    for (const waiter of waiters) {
      if (waiter.evaluation > evaluation) continue
      if (failure === undefined) waiter.resolve()
      else waiter.reject(failure.error)
    }
  }

  /** Rejects all callers that wait. */
  rejectAll (error: unknown): void {
    this.settle(Infinity, { error })
  }
}
