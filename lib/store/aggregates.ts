import type { AggregateFunction, StoreRecord } from '@hamicek/noex-store'

/** Makes one number of a field of many records, as noex-store does: what is no number does not count. */
export class Aggregate {
  readonly #field: string
  #numbers = 0
  #sum = 0
  #min: number | undefined
  #max: number | undefined
  #records = 0

  constructor (field: string) {
    this.#field = field
  }

  add (record: StoreRecord): void {
    this.#records++
    const value = record[this.#field]
    if (typeof value !== 'number') return
    this.#numbers++
    this.#sum += value
    if (this.#min === undefined || value < this.#min) this.#min = value
    if (this.#max === undefined || value > this.#max) this.#max = value
  }

  /** Without numbers the least and the greatest are `undefined`, and a sum and a mean 0. */
  result (fn: AggregateFunction): number | undefined {
    switch (fn) {
      case 'count': return this.#records
      case 'sum': return this.#sum
      case 'avg': return this.#numbers === 0 ? 0 : this.#sum / this.#numbers
      case 'min': return this.#min
      case 'max': return this.#max
    }
  }
}
