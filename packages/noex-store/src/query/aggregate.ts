import { hash } from 'node:crypto'
import type { Slicer } from '../scan/slicer.js'
import type { Normalize } from '../schema/bucket-schema.js'
import type { Aggregate, AggregateFunction, GroupByResult } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { AggregateOverflowError } from '../errors.js'
import { getterOf } from '../schema/path.js'
import type { Visiting } from './visit.js'
import type { TextWork } from './work.js'

/** Numbers are also added up in this unit, where their sum cannot overflow. */
const UNIT = 2 ** 64

/** Characters of a text that tells groups apart by itself; of a longer one its digest does. */
const MAX_PLAIN = 128

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
      if (isFinite(value) && (best === undefined || isBetter(value, best))) best = value
    },
    result: () => best
  }
}

function isFinite (value: unknown): value is number {
  return Number.isFinite(value)
}

/** A sum and a mean of finite numbers, whichever order they come in. */
class Total {
  readonly #field: string
  #count = 0
  #sum = 0
  #scaled = 0

  constructor (field: string) {
    this.#field = field
  }

  add (value: unknown): void {
    if (!isFinite(value)) return
    this.#count++
    this.#sum += value
    this.#scaled += value / UNIT
  }

  /** @throws AggregateOverflowError for a sum that no number can hold */
  sum (): number {
    const sum = Number.isFinite(this.#sum) ? this.#sum : this.#scaled * UNIT
    if (!Number.isFinite(sum)) throw new AggregateOverflowError(this.#field)
    return sum
  }

  mean (): number {
    if (this.#count === 0) return 0
    if (Number.isFinite(this.#sum)) return this.#sum / this.#count
    const mean = this.#scaled / this.#count * UNIT
    // Only rounding can have led beyond the greatest of the numbers.
    return Number.isFinite(mean) ? mean : Math.sign(mean) * Number.MAX_VALUE
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

  readonly #work: TextWork
  /** How the records to be grouped are visited. */
  readonly visiting: Visiting

  /** `work` counts the texts that are compared. */
  constructor (
    field: string | readonly string[], aggregate: Aggregate,
    normalizeOf: (field: string) => Normalize | undefined, work: TextWork
  ) {
    this.#work = work
    const names = typeof field === 'string' ? [field] : [...field]
    this.#fields = names.map(name => ({ name, get: getterOf(name), normalize: normalizeOf(name) }))
    this.#aggregate = aggregate
    this.visiting = { perMatch: names.length + 1, step: GROUP_STEP }
  }

  add (record: StoreRecord): void {
    let id = ''
    for (const { get, normalize } of this.#fields) {
      const value = get(record)
      const text = textOf((normalize === undefined ? value : normalize(value)) ?? 'null')
      if (text.length > MAX_PLAIN) {
        this.#work.add(text.length)
        id += `${hash('sha256', text)};`
      } else {
        // With its length, so that no text of one field reads like those of two.
        id += `${text.length}:${text}`
      }
    }
    let group = this.#groups.get(id)
    if (group === undefined) {
      const key = Object.fromEntries(this.#fields.map(({ name, get }) => [name, get(record)]))
      group = { key, accumulator: accumulate(this.#aggregate) }
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

/** Returns the text form of a value, of an object that has none as of other objects. */
function textOf (value: unknown): string {
  try {
    return String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
