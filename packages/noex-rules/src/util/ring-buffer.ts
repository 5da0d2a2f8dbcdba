const MIN_CAPACITY = 16

/** A first-in, first-out queue in constant time. Its memory follows its length. */
export class RingBuffer<T> {
  #places: Array<T | undefined> = new Array<T | undefined>(MIN_CAPACITY).fill(undefined)
  #head = 0
  #length = 0

  get length (): number {
    return this.#length
  }

  push (item: T): void {
    if (this.#length === this.#places.length) this.#resize(this.#length * 2)
    this.#places[(this.#head + this.#length) & (this.#places.length - 1)] = item
    this.#length++
  }

  shift (): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#places[this.#head]
    this.#places[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#places.length - 1)
    this.#length--
    if (this.#places.length > MIN_CAPACITY && this.#length * 4 < this.#places.length) {
      this.#resize(this.#places.length / 2)
    }
    return item
  }

  #resize (capacity: number): void {
    const places = new Array<T | undefined>(capacity).fill(undefined)
    for (let index = 0; index < this.#length; index++) {
      places[index] = this.#places[(this.#head + index) & (this.#places.length - 1)]
    }
    this.#places = places
    this.#head = 0
  }
}
