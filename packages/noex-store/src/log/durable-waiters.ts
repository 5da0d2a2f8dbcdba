interface Waiter {
  readonly revision: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Callers that wait until a revision is durable. */
export class DurableWaiters {
  #waiters: Waiter[] = []

  /** Resolves when `settle` reaches a revision. @throws what it is rejected with before */
  async wait (revision: number): Promise<void> {
    await new Promise<void>((resolve, reject) => { this.#waiters.push({ revision, resolve, reject }) })
  }

  /** Resolves those of revisions up to this one. */
  settle (revision: number): void {
    for (const waiter of this.#take(waiter => waiter.revision <= revision)) waiter.resolve()
  }

  /** Rejects those of revisions from this one on. */
  rejectFrom (revision: number, error: Error): void {
    for (const waiter of this.#take(waiter => waiter.revision >= revision)) waiter.reject(error)
  }

  /** Takes out all that wait now; returns what rejects them. */
  takeAll (): (error: Error) => void {
    const waiters = this.#take(() => true)
    return error => { for (const waiter of waiters) waiter.reject(error) }
  }

  #take (isTaken: (waiter: Waiter) => boolean): Waiter[] {
    const waiters = this.#waiters
    this.#waiters = waiters.filter(waiter => !isTaken(waiter))
    return waiters.filter(isTaken)
  }
}
