import { SortedMap } from '../index/sorted-map.js'
import { GroupKeys } from '../query/group-keys.js'
import type { Normalize } from '../schema/bucket-schema.js'
import type { GroupByResult } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import type { LiveNumber } from './live-number.js'

/** Estimated bytes of a group without its records, its text and its number. */
const GROUP_BYTES = 240

interface Group {
  readonly id: string
  readonly number: LiveNumber
  /** Its records by place: the first one gives the key that is shown, and the group's own place. */
  readonly records: SortedMap<StoreRecord>
  /** As it is shown; `undefined` since it has changed. */
  shown: GroupByResult | undefined
}

/** Groups of records that come and go: in the order of their first records, none of them empty. */
export class LiveGroups {
  readonly #keys: GroupKeys
  readonly #begin: () => LiveNumber
  readonly #groups = new Map<string, Group>()
  /** The groups by the places of their first records. */
  readonly #inOrder = new SortedMap<Group>()
  #shown: readonly GroupByResult[] | undefined
  #bytes = 0

  /** `begin` makes the number of a new group. */
  constructor (
    field: string | readonly string[], begin: () => LiveNumber,
    normalizeOf: (field: string) => Normalize | undefined
  ) {
    this.#keys = new GroupKeys(field, normalizeOf)
    this.#begin = begin
  }

  add (record: StoreRecord, place: number): void {
    const id = this.#keys.idOf(record)
    let group = this.#groups.get(id)
    if (group === undefined) {
      group = { id, number: this.#begin(), records: new SortedMap(), shown: undefined }
      this.#groups.set(id, group)
    }
    const { number, records } = group
    this.#change(group, () => {
      number.add(record)
      records.set(place, record)
    })
  }

  remove (record: StoreRecord, place: number): void {
    const group = this.#groups.get(this.#keys.idOf(record))
    if (group === undefined) return
    const { id, number, records } = group
    this.#change(group, () => {
      number.remove(record)
      records.delete(place)
    })
    if (records.size === 0) this.#groups.delete(id)
  }

  /** @throws AggregateOverflowError for a sum that no number can hold */
  result (): readonly GroupByResult[] {
    this.#shown ??= Object.freeze(Array.from(this.#inOrder.values(), group => this.#show(group)))
    return this.#shown
  }

  /** Estimated bytes, without those of the records. */
  get bytes (): number {
    return this.#bytes + this.#inOrder.bytes
  }

  /** Changes a group, and keeps what depends on it. */
  #change (group: Group, change: () => void): void {
    const { records } = group
    const place = records.firstKey
    this.#bytes -= bytesOf(group)
    change()
    this.#bytes += bytesOf(group)
    this.#shown = undefined
    group.shown = undefined
    if (records.firstKey === place) return
    if (place !== undefined) this.#inOrder.delete(place)
    if (records.firstKey !== undefined) this.#inOrder.set(records.firstKey, group)
  }

  #show (group: Group): GroupByResult {
    if (group.shown !== undefined) return group.shown
    const key = Object.freeze(this.#keys.keyOf(group.records.first as StoreRecord))
    group.shown = Object.freeze({ key, value: group.number.result() ?? 0 })
    return group.shown
  }
}

function bytesOf ({ id, number, records }: Group): number {
  return records.size === 0 ? 0 : GROUP_BYTES + 2 * id.length + number.bytes + records.bytes
}
