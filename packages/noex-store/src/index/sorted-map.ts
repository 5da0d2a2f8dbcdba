/** Entries above which a chunk is split in two. */
const MAX_CHUNK = 512

/** Entries below which a chunk is joined with one beside it. */
const MIN_CHUNK = 64

/** Estimated bytes of an entry, with the room that chunks leave, and of a map without any. */
const ENTRY_BYTES = 24
const MAP_BYTES = 160

interface Chunk<T> {
  readonly keys: number[]
  readonly values: T[]
}

/**
 * A map from numbers, none of them NaN, to values, in ascending order: a list of sorted chunks, so that
 * setting, deleting and finding are O(log n) with short moves, and both ends are at hand.
 */
export class SortedMap<T> {
  readonly #chunks: Array<Chunk<T>> = []
  #size = 0

  get size (): number {
    return this.#size
  }

  /** Estimated bytes, without those that the values refer to. */
  get bytes (): number {
    return MAP_BYTES + this.#size * ENTRY_BYTES
  }

  /** The first and the last key; `undefined` in an empty map. */
  get firstKey (): number | undefined {
    return this.#chunks[0]?.keys[0]
  }

  get lastKey (): number | undefined {
    return this.#chunks.at(-1)?.keys.at(-1)
  }

  /** The value of the first key. */
  get first (): T | undefined {
    return this.#chunks[0]?.values[0]
  }

  get (key: number): T | undefined {
    const chunk = this.#chunks[this.#chunkFor(key)]
    if (chunk === undefined) return undefined
    const slot = slotFor(chunk.keys, key)
    return chunk.keys[slot] === key ? chunk.values[slot] : undefined
  }

  set (key: number, value: T): void {
    const at = Math.min(this.#chunkFor(key), Math.max(0, this.#chunks.length - 1))
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push({ keys: [key], values: [value] })
      this.#size++
      return
    }
    const { keys, values } = chunk
    const slot = slotFor(keys, key)
    if (keys[slot] === key) {
      values[slot] = value
      return
    }
    this.#size++
    keys.splice(slot, 0, key)
    values.splice(slot, 0, value)
    if (keys.length <= MAX_CHUNK) return
    const half = keys.length >>> 1
    this.#chunks.splice(at + 1, 0, { keys: keys.splice(half), values: values.splice(half) })
  }

  /** Deletes a key; one that is not there is passed over. */
  delete (key: number): void {
    const at = this.#chunkFor(key)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return
    const slot = slotFor(chunk.keys, key)
    if (chunk.keys[slot] !== key) return
    this.#size--
    chunk.keys.splice(slot, 1)
    chunk.values.splice(slot, 1)
    if (chunk.keys.length === 0) this.#chunks.splice(at, 1)
    else if (chunk.keys.length < MIN_CHUNK) this.#join(at)
  }

  /** The values in the order of their keys. Must not be used across changes. */
  * values (): Generator<T, undefined> {
    for (const { values } of this.#chunks) yield * values
  }

  /** Joins a small chunk with the one after or before it, if the two are small together. */
  #join (at: number): void {
    const { length } = (this.#chunks[at] as Chunk<T>).keys
    const isRoomy = (other: Chunk<T> | undefined): boolean =>
      other !== undefined && other.keys.length + length <= MAX_CHUNK / 2
    const from = isRoomy(this.#chunks[at + 1]) ? at : isRoomy(this.#chunks[at - 1]) ? at - 1 : -1
    if (from === -1) return
    const [first, second] = this.#chunks.slice(from, from + 2) as [Chunk<T>, Chunk<T>]
    first.keys.push(...second.keys)
    first.values.push(...second.values)
    this.#chunks.splice(from + 1, 1)
  }

  /** Index of the first chunk whose last key is not below `key`. */
  #chunkFor (key: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { keys } = this.#chunks[middle] as Chunk<T>
      if (keys[keys.length - 1] as number < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Index of the first key that is not below `key`. */
function slotFor (keys: readonly number[], key: number): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle] as number < key) low = middle + 1
    else high = middle
  }
  return low
}
