import type { CompiledFilter } from '../filter/filter.js'
import type { Normalize } from '../schema/bucket-schema.js'
import { getterOf } from '../schema/path.js'
import type { StoreRecord } from '../types/record.js'
import { anchorsOf, type Anchor, type AnchorCounts } from './anchors.js'
import { IntervalList, type Interval } from './interval-list.js'
import { ValueMap } from './value-map.js'

/** Something that concerns the records of a bucket that match a filter. */
export interface Filtered {
  /** `undefined`: all records. */
  readonly filter: CompiledFilter | undefined
}

/** An item with what finds it. */
interface Entry<T> {
  readonly item: T
  /** `undefined`: it is found by every record. */
  anchors: ReadonlyArray<Anchor | AnchoredRange<T>> | undefined
  /** Number of the last search that has found it. */
  search: number
}

interface AnchoredRange<T> {
  readonly kind: 'interval'
  readonly field: string
  readonly isNumeric: boolean
  readonly interval: Interval<Entry<T>>
}

/** All that is anchored at one field. */
class FieldAnchors<T> {
  readonly read: (record: StoreRecord) => unknown
  readonly values = new ValueMap<Entry<T>>()
  readonly numbers = new IntervalList<Entry<T>>()
  readonly texts = new IntervalList<Entry<T>>()

  constructor (field: string, normalize: Normalize | undefined) {
    const get = getterOf(field)
    this.read = normalize === undefined ? get : record => normalize(get(record))
  }

  get isEmpty (): boolean {
    return this.values.size + this.numbers.size + this.texts.size === 0
  }

  /** Visits what concerns a value; JavaScript converts one of another type than a bound has. */
  visit (value: unknown, visit: (entry: Entry<T>) => void): void {
    this.values.visit(value, visit)
    if (value === null || value === undefined) return
    if (this.numbers.size > 0) {
      if (typeof value === 'number') this.numbers.visit(value, visit)
      else this.numbers.visitAll(visit)
    }
    if (this.texts.size > 0) {
      if (typeof value === 'string') this.texts.visit(value, visit)
      else this.texts.visitAll(visit)
    }
  }
}

/**
 * Finds the items whose filters a record may match, without trying them all: by the value of one field, by a
 * range that holds it, or by either for each branch of an `$or`. Filters that give none of that are tried on
 * every record.
 */
export class PredicateIndex<T extends Filtered> {
  readonly #normalizeOf: (field: string) => Normalize | undefined
  readonly #entries = new Map<T, Entry<T>>()
  readonly #fields = new Map<string, FieldAnchors<T>>()
  readonly #rest = new Set<Entry<T>>()
  readonly #counts: AnchorCounts = {
    at: (field, value) => this.#fields.get(field)?.values.count(value) ?? 0,
    valuesOf: field => this.#fields.get(field)?.values.size ?? 0
  }

  #search = 0
  #lastNumber = 0

  /** `normalizeOf` tells how the values of a field are compared. */
  constructor (normalizeOf: (field: string) => Normalize | undefined) {
    this.#normalizeOf = normalizeOf
  }

  get size (): number {
    return this.#entries.size
  }

  get items (): Iterable<T> {
    return this.#entries.keys()
  }

  add (item: T): void {
    const entry: Entry<T> = { item, anchors: undefined, search: 0 }
    this.#entries.set(item, entry)
    entry.anchors = anchorsOf(item.filter, this.#counts)?.map(anchor => this.#anchor(entry, anchor))
    if (entry.anchors === undefined) this.#rest.add(entry)
  }

  remove (item: T): void {
    const entry = this.#entries.get(item)
    if (entry === undefined) return
    this.#entries.delete(item)
    this.#rest.delete(entry)
    for (const anchor of entry.anchors ?? []) {
      const anchors = this.#fields.get(anchor.field)
      if (anchors === undefined) continue
      if (anchor.kind === 'value') anchors.values.remove(anchor.value, entry)
      else if (anchor.kind === 'interval') {
        (anchor.isNumeric ? anchors.numbers : anchors.texts).remove(anchor.interval)
      }
      if (anchors.isEmpty) this.#fields.delete(anchor.field)
    }
  }

  /** Returns each item once whose filter may match one of two records. */
  find (before: StoreRecord | undefined, after: StoreRecord | undefined): T[] {
    const search = ++this.#search
    const found: T[] = []
    for (const { item } of this.#rest) found.push(item)
    const visit = (entry: Entry<T>): void => {
      if (entry.search === search) return
      entry.search = search
      found.push(entry.item)
    }
    for (const anchors of this.#fields.values()) {
      const former = before && anchors.read(before)
      const value = after && anchors.read(after)
      if (before !== undefined) anchors.visit(former, visit)
      if (after !== undefined && (before === undefined || value !== former)) anchors.visit(value, visit)
    }
    return found
  }

  #anchor (entry: Entry<T>, anchor: Anchor): Anchor | AnchoredRange<T> {
    const { field } = anchor
    let anchors = this.#fields.get(field)
    if (anchors === undefined) {
      anchors = new FieldAnchors(field, this.#normalizeOf(field))
      this.#fields.set(field, anchors)
    }
    if (anchor.kind === 'value') {
      anchors.values.add(anchor.value, entry)
      return anchor
    }
    const { lower, upper } = anchor
    const isNumeric = typeof (lower ?? upper) === 'number'
    const interval = { lower, upper, item: entry, number: ++this.#lastNumber }
    if (isNumeric) anchors.numbers.add(interval)
    else anchors.texts.add(interval)
    return { kind: 'interval', field, isNumeric, interval }
  }
}
