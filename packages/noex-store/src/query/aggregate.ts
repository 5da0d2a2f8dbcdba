import type { Normalize } from '../schema/bucket-schema.js'
import type { Aggregate, AggregateFunction, GroupByResult } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { AggregateOverflowError } from '../errors.js'
import { getterOf } from '../filter/path.js'

/** Numbers are also added up in this unit, where their sum cannot overflow. */
const UNIT = 2 ** 64

/** Takes in records one by one, and gives their aggregate. */
export interface Accumulator {
  readonly add: (record: StoreRecord) => void
  readonly result: () => number | undefined
}

/** Begins an aggregate; records whose field is no number do not count. */
export function accumulate ({ function: name, field }: Aggregate): Accumulator {
  if (name === 'count') {
    let count = 0
    return { add () { count++ }, result: () => count }
  }
  const get = getterOf(field ?? '')
  return accumulators[name](get, field ?? '')
}

type Read = (record: StoreRecord) => unknown

const accumulators: Readonly<Record<Exclude<AggregateFunction, 'count'>, (get: Read, field: string) =>
Accumulator>> = {
  sum: (get, field) => {
    const total = new Total(field)
    return { add (record) { total.add(get(record)) }, result: () => total.sum() }
  },
  avg: (get, field) => {
    const total = new Total(field)
    return { add (record) { total.add(get(record)) }, result: () => total.mean() }
  },
  min: get => extreme(get, (value, least) => value < least),
  max: get => extreme(get, (value, greatest) => value > greatest)
}

function extreme (get: Read, isBetter: (value: number, best: number) => boolean): Accumulator {
  let best: number | undefined
  return {
    add (record) {
      const value = get(record)
      if (typeof value === 'number' && (best === undefined || isBetter(value, best))) best = value
    },
    result: () => best
  }
}

/** A sum that knows when it has overflowed, and a mean that does not. */
class Total {
  readonly #field: string
  #count = 0
  #sum = 0
  #scaled = 0
  #hasNonFinite = false

  constructor (field: string) {
    this.#field = field
  }

  add (value: unknown): void {
    if (typeof value !== 'number') return
    this.#count++
    this.#sum += value
    this.#scaled += value / UNIT
    if (!Number.isFinite(value)) this.#hasNonFinite = true
  }

  /** @throws AggregateOverflowError */
  sum (): number {
    if (Number.isFinite(this.#sum) || this.#hasNonFinite) return this.#sum
    const sum = this.#scaled * UNIT
    if (!Number.isFinite(sum)) throw new AggregateOverflowError(this.#field)
    return sum
  }

  mean (): number {
    if (this.#count === 0) return 0
    if (Number.isFinite(this.#sum) || this.#hasNonFinite) return this.#sum / this.#count
    return this.#scaled / this.#count * UNIT
  }
}

/** Groups records by the text form of some fields, in the order of their first appearance. */
export class Groups {
  readonly #fields: ReadonlyArray<{
    readonly name: string, readonly get: Read, readonly normalize: Normalize | undefined
  }>

  readonly #aggregate: Aggregate
  readonly #groups = new Map<string, {
    readonly key: Record<string, unknown>, readonly accumulator: Accumulator
  }>()

  constructor (
    fields: readonly string[], aggregate: Aggregate, normalizeOf: (field: string) => Normalize | undefined
  ) {
    this.#fields = fields.map(name => ({ name, get: getterOf(name), normalize: normalizeOf(name) }))
    this.#aggregate = aggregate
  }

  add (record: StoreRecord): void {
    let id = ''
    for (const { get, normalize } of this.#fields) {
      const value = get(record)
      id += `${String((normalize === undefined ? value : normalize(value)) ?? 'null')}\0`
    }
    let group = this.#groups.get(id)
    if (group === undefined) {
      const key = Object.fromEntries(this.#fields.map(({ name, get }) => [name, get(record)]))
      group = { key, accumulator: accumulate(this.#aggregate) }
      this.#groups.set(id, group)
    }
    group.accumulator.add(record)
  }

  /** Groups without a value have 0. */
  results (): GroupByResult[] {
    return [...this.#groups.values()].map(
      ({ key, accumulator }) => ({ key, value: accumulator.result() ?? 0 })
    )
  }
}
