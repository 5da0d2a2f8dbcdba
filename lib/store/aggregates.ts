import type { AggregateFunction, StoreRecord } from '@hamicek/noex-store'
import { isFiniteNumber, meanOf, SCALE, sumOf } from './aggregate.js'

/** Makes one number of a field of many records, as they come: only finite numbers count. */
export class Aggregate {
  readonly #field: string
  #records = 0
  #numbers = 0
  #sum = 0
  #scaledSum = 0
  #min: number | undefined
  #max: number | undefined

  constructor (field: string) {
    this.#field = field
  }

  add (record: StoreRecord): void {
    this.#records++
    const value = record[this.#field]
    if (!isFiniteNumber(value)) return
    this.#numbers++
    this.#sum += value
    this.#scaledSum += value * SCALE
    if (this.#min === undefined || value < this.#min) this.#min = value
    if (this.#max === undefined || value > this.#max) this.#max = value
  }

  /**
   * Returns the number. Without any, the least and the greatest are `undefined`, and a sum and a mean 0.
   * @throws `VALIDATION_ERROR` when the sum is beyond what a number holds
   */
  result (fn: AggregateFunction): number | undefined {
    switch (fn) {
      case 'count': return this.#records
      case 'sum': return sumOf(this.#sum, this.#scaledSum)
      case 'avg': return meanOf(this.#sum, this.#scaledSum, this.#numbers)
      case 'min': return this.#min
      case 'max': return this.#max
    }
  }
}
