/** Counts events by name, from 0 on. */
export class Counters<Name extends string> {
  readonly #counts: Map<Name, number>

  constructor (names: readonly Name[]) {
    this.#counts = new Map(names.map(name => [name, 0]))
  }

  /** Adds one. A name that is not one of the counters is ignored. */
  count (name: Name): void {
    const count = this.#counts.get(name)
    if (count !== undefined) this.#counts.set(name, count + 1)
  }

  of (name: Name): number {
    return this.#counts.get(name) ?? 0
  }

  /** A copy of all counts, in the order of the names. */
  get all (): Readonly<Record<Name, number>> {
    return Object.fromEntries(this.#counts) as Record<Name, number>
  }
}
