/** Items above which a chunk is split in two. */
const MAX_CHUNK = 512

/** Items below which a chunk is joined with one beside it. */
const MIN_CHUNK = 64

/** Items of a chunk that is made of sorted ones. */
export const APPENDED = 256

/**
 * Items in an order, in which no two are equal, each of which knows its index: a list of chunks with the sums
 * of their sizes, so that entering, removing, finding an index and finding an item by its index are O(log n)
 * with short moves.
 */
export class RankedList<T> {
  readonly #compare: (a: T, b: T) => number
  #chunks: T[][] = []
  #size = 0
  /** Sums of the sizes of chunks, as a binary indexed tree; `undefined` while it is to be built anew. */
  #sums: number[] | undefined

  constructor (compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size (): number {
    return this.#size
  }

  /** Adds at most `APPENDED` items that are in order and come after all others. */
  append (items: T[]): void {
    if (items.length === 0) return
    this.#chunks.push(items)
    this.#size += items.length
    this.#sums = undefined
  }

  /** Adds an item; returns its index. */
  insert (item: T): number {
    this.#size++
    if (this.#chunks.length === 0) {
      this.#chunks.push([item])
      this.#sums = undefined
      return 0
    }
    const at = Math.min(this.#chunkFor(item), this.#chunks.length - 1)
    const chunk = this.#chunks[at] as T[]
    const slot = this.#slotFor(chunk, item)
    if (slot === chunk.length) chunk.push(item)
    else chunk.splice(slot, 0, item)
    this.#add(at, 1)
    const index = this.#sumBefore(at) + slot
    if (chunk.length > MAX_CHUNK) {
      this.#chunks.splice(at, 1, chunk.slice(0, chunk.length >>> 1), chunk.slice(chunk.length >>> 1))
      this.#sums = undefined
    }
    return index
  }

  /** Removes an item that is in the list; returns the index that it had. */
  remove (item: T): number {
    const at = this.#chunkFor(item)
    const chunk = this.#chunks[at] as T[]
    const slot = this.#slotFor(chunk, item)
    const index = this.#sumBefore(at) + slot
    chunk.splice(slot, 1)
    this.#size--
    this.#add(at, -1)
    if (chunk.length < MIN_CHUNK) this.#compact(at)
    return index
  }

  /** The index of an item that is in the list. */
  indexOf (item: T): number {
    const at = this.#chunkFor(item)
    return this.#sumBefore(at) + this.#slotFor(this.#chunks[at] as T[], item)
  }

  /** The number of items for which `isBefore` holds; these are in front of all others. */
  countWhile (isBefore: (item: T) => boolean): number {
    const at = firstIndex(this.#chunks.length, i => !isBefore((this.#chunks[i] as T[]).at(-1) as T))
    const chunk = this.#chunks[at]
    if (chunk === undefined) return this.#size
    return this.#sumBefore(at) + firstIndex(chunk.length, slot => !isBefore(chunk[slot] as T))
  }

  at (index: number): T | undefined {
    if (index < 0 || index >= this.#size) return undefined
    const [at, slot] = this.#find(index)
    return this.#chunks[at]?.[slot]
  }

  /** Items from an index on, up to the one before `end`. */
  slice (start: number, end: number): T[] {
    const items: T[] = []
    const last = Math.min(end, this.#size)
    if (start >= last) return items
    const [first, from] = this.#find(start)
    let slot = from
    for (let at = first; items.length < last - start; at++, slot = 0) {
      const chunk = this.#chunks[at] as T[]
      const until = Math.min(chunk.length, slot + last - start - items.length)
      for (; slot < until; slot++) items.push(chunk[slot] as T)
    }
    return items
  }

  /** Joins a small chunk with the one after or before it, if the two are small together. */
  #compact (at: number): void {
    const { length } = this.#chunks[at] as T[]
    if (length === 0) {
      this.#chunks.splice(at, 1)
      this.#sums = undefined
      return
    }
    const isRoomy = (other: T[] | undefined): boolean =>
      other !== undefined && other.length + length <= MAX_CHUNK / 2
    const first = isRoomy(this.#chunks[at + 1]) ? at : isRoomy(this.#chunks[at - 1]) ? at - 1 : -1
    if (first === -1) return
    this.#chunks.splice(first, 2, [...this.#chunks[first] as T[], ...this.#chunks[first + 1] as T[]])
    this.#sums = undefined
  }

  /** Index of the first chunk whose last item is not before `item`. */
  #chunkFor (item: T): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const chunk = this.#chunks[middle] as T[]
      if (this.#compare(chunk[chunk.length - 1] as T, item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #slotFor (chunk: readonly T[], item: T): number {
    let low = 0
    let high = chunk.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(chunk[middle] as T, item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #tree (): number[] {
    if (this.#sums !== undefined) return this.#sums
    const sums = [0, ...this.#chunks.map(({ length }) => length)]
    for (let i = 1; i < sums.length; i++) {
      const parent = i + (i & -i)
      if (parent < sums.length) sums[parent] = (sums[parent] as number) + (sums[i] as number)
    }
    this.#sums = sums
    return sums
  }

  #add (chunk: number, count: number): void {
    const sums = this.#sums
    if (sums === undefined) return
    for (let i = chunk + 1; i < sums.length; i += i & -i) sums[i] = (sums[i] as number) + count
  }

  /** Number of items in the chunks before one. */
  #sumBefore (chunk: number): number {
    const sums = this.#tree()
    let sum = 0
    for (let i = chunk; i > 0; i -= i & -i) sum += sums[i] as number
    return sum
  }

  /** The chunk and the slot of an index that is in the list. */
  #find (index: number): readonly [chunk: number, slot: number] {
    const sums = this.#tree()
    let chunk = 0
    let rest = index
    for (let step = 2 ** Math.floor(Math.log2(sums.length)); step > 0; step >>>= 1) {
      const sum = sums[chunk + step]
      if (sum === undefined || sum > rest) continue
      chunk += step
      rest -= sum
    }
    return [chunk, rest]
  }
}

/** The first index for which a test holds that holds for all after it too; `length` where there is none. */
function firstIndex (length: number, test: (index: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (test(middle)) high = middle
    else low = middle + 1
  }
  return low
}
