/** Promises that wait for one event. An owner makes it when the first one waits. */
export class Waiters {
  #resolvers: Array<() => void> = []

  /** Resolves at the next `release`. */
  async wait (): Promise<void> {
    await new Promise<void>(resolve => { this.#resolvers.push(resolve) })
  }

  /** Resolves all promises that wait. */
  release (): void {
    for (const resolve of this.#resolvers.splice(0)) resolve()
  }
}
