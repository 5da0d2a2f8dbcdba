import type { Slicer } from '../scan/slicer.js'
import type { Normalize } from '../schema/bucket-schema.js'
import type { Aggregate, AggregateFunction, GroupByResult } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { AggregateOverflowError } from '../errors.js'
import { getterOf, type Getter } from '../schema/path.js'
import { ExactSum } from './exact-sum.js'
import { GroupKeys } from './group-keys.js'
import type { Visiting } from './visit.js'
import type { TextWork } from './work.js'

/** Records between two looks at the clock while they are grouped: by texts, which may be long. */
const GROUP_STEP = 4

/** Takes in records one by one, and gives their aggregate. */
interface Accumulator {
  readonly add: (record: StoreRecord) => void
  readonly result: () => number | undefined
}

/** Begins an aggregate; records whose field is no finite number do not count. */
export function accumulate ({ function: name, field }: Aggregate): Accumulator {
  if (name === 'count') {
    let count = 0
    return { add () { count++ }, result: () => count }
  }
  return accumulators[name](getterOf(field ?? ''), field ?? '')
}

const accumulators: Readonly<Record<Exclude<AggregateFunction, 'count'>, (get: Getter, field: string) =>
Accumulator>> = {
  sum: (get, field) => {
    const total = new Total()
    return { add (record) { total.add(get(record)) }, result: () => total.sum(field) }
  },
  avg: get => {
    const total = new Total()
    return { add (record) { total.add(get(record)) }, result: () => total.mean() }
  },
  min: get => extreme(get, (value, least) => value < least),
  max: get => extreme(get, (value, greatest) => value > greatest)
}

function extreme (get: Getter, isBetter: (value: number, best: number) => boolean): Accumulator {
  let best: number | undefined
  return {
    add (record) {
      const value = get(record)
      if (isCounted(value) && (best === undefined || isBetter(value, best))) best = value
    },
    result: () => withoutNegativeZero(best)
  }
}

/** Whether an aggregate of numbers takes a value in. */
export function isCounted (value: unknown): value is number {
  return Number.isFinite(value)
}

/** Returns a number as an aggregate shows it: one zero for both, no matter which came first. */
export function withoutNegativeZero (value: number | undefined): number | undefined {
  return value === 0 ? 0 : value
}

/** A sum and a mean of the finite numbers among values that come and go, each rounded once. */
export class Total {
  readonly #exact = new ExactSum()
  #count = 0

  add (value: unknown): void {
    if (!isCounted(value)) return
    this.#count++
    this.#exact.add(value)
  }

  remove (value: unknown): void {
    if (!isCounted(value)) return
    this.#count--
    this.#exact.subtract(value)
  }

  /** Estimated bytes. */
  get bytes (): number {
    return this.#exact.bytes
  }

  /** @throws AggregateOverflowError for a sum that no number can hold */
  sum (field: string): number {
    const sum = this.#exact.sum()
    if (!Number.isFinite(sum)) throw new AggregateOverflowError(field)
    return sum
  }

  mean (): number {
    return this.#count === 0 ? 0 : this.#exact.mean(this.#count)
  }
}

/** Groups records by the text form of some fields, in the order of their first appearance. */
export class Groups {
  readonly #keys: GroupKeys
  readonly #aggregate: Aggregate
  readonly #groups = new Map<string, {
    readonly key: Record<string, unknown>, readonly accumulator: Accumulator
  }>()

  /** How the records to be grouped are visited. */
  readonly visiting: Visiting

  /** `work` counts the texts that are compared. */
  constructor (
    field: string | readonly string[], aggregate: Aggregate,
    normalizeOf: (field: string) => Normalize | undefined, work: TextWork
  ) {
    this.#keys = new GroupKeys(field, normalizeOf, chars => { work.add(chars) })
    this.#aggregate = aggregate
    this.visiting = { perMatch: this.#keys.size + 1, step: GROUP_STEP }
  }

  add (record: StoreRecord): void {
    const id = this.#keys.idOf(record)
    let group = this.#groups.get(id)
    if (group === undefined) {
      group = { key: this.#keys.keyOf(record), accumulator: accumulate(this.#aggregate) }
      this.#groups.set(id, group)
    }
    group.accumulator.add(record)
  }

  /** Gives the aggregates in slices. Groups without a value have 0. */
  async results (slicer: Slicer): Promise<GroupByResult[]> {
    const results: GroupByResult[] = []
    for (const { key, accumulator } of this.#groups.values()) {
      results.push({ key, value: accumulator.result() ?? 0 })
      const turn = slicer.pause(results.length, 256)
      if (turn !== undefined) await turn
    }
    return results
  }
}
