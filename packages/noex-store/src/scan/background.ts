/** Work that goes on by itself; `settled` waits for it. */
export class BackgroundWork {
  readonly #tasks = new Set<Promise<unknown>>()
  readonly #onFailure: (error: unknown) => void

  constructor (onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure
  }

  add (task: Promise<unknown>): void {
    const tracked = task.catch(this.#onFailure).finally(() => { this.#tasks.delete(tracked) })
    this.#tasks.add(tracked)
  }

  /** Resolves when no work is left. */
  async settled (): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks)
  }
}
