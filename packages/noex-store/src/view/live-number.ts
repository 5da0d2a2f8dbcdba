import { SortedMap } from '../index/sorted-map.js'
import { isCounted, Total, withoutNegativeZero } from '../query/aggregate.js'
import { getterOf, type Getter } from '../schema/path.js'
import type { Aggregate, AggregateFunction } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'

/** A number that is made of records which come and go. */
export interface LiveNumber {
  add (record: StoreRecord): void
  remove (record: StoreRecord): void
  /** @throws AggregateOverflowError for a sum that no number can hold */
  result (): number | undefined
  /** Estimated bytes. */
  readonly bytes: number
}

/** Estimated bytes of a number without what grows in it. */
const BYTES = 96

/** Begins an aggregate of no records; those whose field is no finite number do not count. */
export function liveNumber ({ function: name, field = '' }: Aggregate): LiveNumber {
  return name === 'count' ? new LiveCount() : numbers[name](getterOf(field), field)
}

const numbers: Readonly<Record<Exclude<AggregateFunction, 'count'>, (get: Getter, field: string) =>
LiveNumber>> = {
  sum: (get, field) => new LiveTotal(get, total => total.sum(field)),
  avg: get => new LiveTotal(get, total => total.mean()),
  min: get => new LiveExtreme(get, values => values.firstKey),
  max: get => new LiveExtreme(get, values => values.lastKey)
}

class LiveCount implements LiveNumber {
  #count = 0
  readonly bytes = BYTES

  add (): void {
    this.#count++
  }

  remove (): void {
    this.#count--
  }

  result (): number {
    return this.#count
  }
}

class LiveTotal implements LiveNumber {
  readonly #get: Getter
  readonly #show: (total: Total) => number
  readonly #total = new Total()

  constructor (get: Getter, show: (total: Total) => number) {
    this.#get = get
    this.#show = show
  }

  add (record: StoreRecord): void {
    this.#total.add(this.#get(record))
  }

  remove (record: StoreRecord): void {
    this.#total.remove(this.#get(record))
  }

  result (): number {
    return this.#show(this.#total)
  }

  get bytes (): number {
    return BYTES + this.#total.bytes
  }
}

/** Keeps how often each number is there, in order. */
class LiveExtreme implements LiveNumber {
  readonly #get: Getter
  readonly #show: (values: SortedMap<number>) => number | undefined
  readonly #counts = new SortedMap<number>()

  constructor (get: Getter, show: (values: SortedMap<number>) => number | undefined) {
    this.#get = get
    this.#show = show
  }

  add (record: StoreRecord): void {
    const value = this.#get(record)
    if (isCounted(value)) this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1)
  }

  remove (record: StoreRecord): void {
    const value = this.#get(record)
    if (!isCounted(value)) return
    const count = this.#counts.get(value) ?? 0
    if (count > 1) this.#counts.set(value, count - 1)
    else this.#counts.delete(value)
  }

  result (): number | undefined {
    return withoutNegativeZero(this.#show(this.#counts))
  }

  get bytes (): number {
    return BYTES + this.#counts.bytes
  }
}
