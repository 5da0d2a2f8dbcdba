/**
 * Keeps writes and schema changes apart. noex-store rebuilds a bucket from a snapshot, so a write that lands
 * between snapshot and rebuild would be lost: writes share the gate, a schema change has it alone, and
 * whatever arrives meanwhile waits instead of failing.
 */
export class SchemaGate {
  #writing = 0
  #changing: Promise<void> | undefined
  #lastWriteDone: (() => void) | undefined

  /** Whether a schema change is running. */
  get closed (): boolean {
    return this.#changing !== undefined
  }

  /** Resolves when no schema change is running. */
  async opened (): Promise<void> {
    while (this.#changing !== undefined) await this.#changing
  }

  /** Runs `work`, which writes, while no schema change is running. */
  async write<T> (work: () => Promise<T>): Promise<T> {
    while (this.#changing !== undefined) await this.#changing
    this.#writing++
    try {
      return await work()
    } finally {
      if (--this.#writing === 0) this.#lastWriteDone?.()
    }
  }

  /** Runs `change` alone: after the writes that are under way, before those that arrive later. */
  async change<T> (change: () => Promise<T>): Promise<T> {
    while (this.#changing !== undefined) await this.#changing
    let open!: () => void
    this.#changing = new Promise(resolve => { open = resolve })
    try {
      if (this.#writing > 0) await new Promise<void>(resolve => { this.#lastWriteDone = resolve })
      return await change()
    } finally {
      this.#lastWriteDone = undefined
      this.#changing = undefined
      open()
    }
  }
}
