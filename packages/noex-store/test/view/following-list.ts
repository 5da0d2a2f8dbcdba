import type { TouchedRow, View } from '../../src/index.js'

/** A list that follows a view by what it tells alone, as a client does. */
export class FollowingList {
  readonly #view: View
  readonly #keyField: string
  rows: object[] = []

  constructor (view: View, keyField: string) {
    this.#view = view
    this.#keyField = keyField
    this.rows = view.result() as object[]
  }

  /** Takes the result as a whole. */
  reset (): void {
    this.rows = this.#view.result() as object[]
  }

  /** Puts touches in. @throws where one does not fit */
  apply (touches: readonly TouchedRow[]): void {
    const placed: Array<readonly [index: number, row: object]> = []
    const seen = new Set<unknown>()
    for (const { key, wasIn, moved } of touches) {
      if (seen.has(key)) throw new Error(`Key ${String(key)} is touched twice`)
      seen.add(key)
      const at = this.rows.findIndex(row => this.#keyOf(row) === key)
      if ((at !== -1) !== wasIn) throw new Error(`Key ${String(key)}: wasIn is ${wasIn}`)
      const index = this.#view.indexOf(key)
      const row = this.#view.row(key)
      if ((index === -1) !== (row === undefined)) throw new Error(`Key ${String(key)} has no row or no index`)
      if (row !== undefined && wasIn && !moved) {
        if (this.rows[at] === row) throw new Error(`Key ${String(key)} is touched and has not changed`)
        this.rows[at] = row
        continue
      }
      if (wasIn) this.rows.splice(at, 1)
      if (row !== undefined) placed.push([index, row])
    }
    for (const [index, row] of placed.sort(([a], [b]) => a - b)) this.rows.splice(index, 0, row)
  }

  #keyOf (row: object): unknown {
    return (row as Record<string, unknown>)[this.#keyField]
  }
}
