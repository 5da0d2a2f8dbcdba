/** Entries up to which one map has all of them. */
const MAX_FIRST = 131_072
/** Maps for the entries that come later; a power of two. */
const PARTS = 64
/** Characters of a key by which its part is told, at least; all of a shorter one. */
const TOLD_BY = 8

/**
 * A map for as many keys as a bucket may have, of which none is mapped to `undefined`. A `Map` copies all its
 * entries when it doubles, which holds the event loop up for 40 ms at half a million; this one doubles in
 * parts.
 */
export class KeyMap<Value extends NonNullable<unknown>> {
  readonly #first = new Map<unknown, Value>()
  /** Present once the first map is full. Its entries stay there. */
  #parts: ReadonlyArray<Map<unknown, Value>> | undefined
  #sizeOfParts = 0

  get size (): number {
    return this.#first.size + this.#sizeOfParts
  }

  get (key: unknown): Value | undefined {
    if (this.#parts === undefined) return this.#first.get(key)
    return this.#partOf(key).get(key) ?? this.#first.get(key)
  }

  has (key: unknown): boolean {
    return this.get(key) !== undefined
  }

  set (key: unknown, value: Value): void {
    if ((this.#parts === undefined && this.#first.size < MAX_FIRST) || this.#first.has(key)) {
      this.#first.set(key, value)
      return
    }
    this.#parts ??= Array.from({ length: PARTS }, () => new Map())
    const part = this.#partOf(key)
    const { size } = part
    part.set(key, value)
    this.#sizeOfParts += part.size - size
  }

  delete (key: unknown): void {
    if (this.#first.delete(key) || this.#parts === undefined) return
    if (this.#partOf(key).delete(key)) this.#sizeOfParts--
  }

  /** All keys, in no particular order. */
  * keys (): Generator<unknown, undefined> {
    yield * this.#first.keys()
    for (const part of this.#parts ?? []) yield * part.keys()
    return undefined
  }

  #partOf (key: unknown): Map<unknown, Value> {
    return (this.#parts as ReadonlyArray<Map<unknown, Value>>)[partNumber(key)] as Map<unknown, Value>
  }
}

/** Returns the same number for keys that a `Map` takes for the same. */
function partNumber (key: unknown): number {
  if (typeof key === 'string') return partOfText(key)
  // An odd factor, so that numbers in a row have all parts, and fractions too.
  return typeof key === 'number' ? (key * 8_191) & (PARTS - 1) : 0
}

function partOfText (text: string): number {
  const step = Math.max(1, Math.floor(text.length / TOLD_BY))
  let hash = text.length
  for (let i = text.length - 1; i >= 0; i -= step) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return (hash ^ (hash >>> 6) ^ (hash >>> 12)) & (PARTS - 1)
}
