/** A promise that is settled from outside. */
export class Deferred {
  readonly promise: Promise<void>
  #resolve!: () => void
  #reject!: (error: Error) => void

  constructor () {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Fulfils the promise, unless it is settled. */
  resolve (): void {
    this.#resolve()
  }

  /** Rejects the promise, unless it is settled. */
  reject (error: Error): void {
    this.#reject(error)
  }
}
