import type { View, ViewListener } from '../types/view.js'
import { callSafely } from '../util/call-safely.js'
import type { HeldPart } from './held-bytes.js'
import type { ViewSurroundings } from './list-view.js'
import type { Tally } from './tally.js'
import type { OpenView, ViewSource } from './view-source.js'

/** Estimated bytes of a view without its aggregate. */
const VIEW_BYTES = 400

/** A view of a number or of groups. */
export class AggregateView implements View, OpenView {
  listener: ViewListener | undefined
  readonly keyField = undefined
  readonly size = 0
  readonly hasMore = false
  readonly nextCursor = null
  readonly #source: ViewSource
  readonly #surroundings: ViewSurroundings
  readonly #held: HeldPart
  /** The number that was last told; another value than any number at first. */
  #last: unknown
  #hasFailed = false
  #isClosed = false
  /** Whether the result is a list, which takes long to make and is made for who reads it. */
  readonly #isGrouped: boolean

  constructor (source: ViewSource, surroundings: ViewSurroundings) {
    this.#source = source
    this.#surroundings = surroundings
    this.#isGrouped = source.config.aggregate?.groupBy !== undefined
    this.#last = this.result()
    source.views.add(this)
    this.#held = surroundings.held.begin()
    this.#held.set(VIEW_BYTES)
  }

  get bytes (): number {
    const [first] = this.#source.views
    return VIEW_BYTES + (first === this ? this.#source.bytes : 0)
  }

  result (): unknown {
    if (this.#source.error !== undefined) throw this.#source.error
    return (this.#source.contents as Tally).result()
  }

  rows (): object[] {
    return []
  }

  indexOf (): number {
    return -1
  }

  row (): undefined {
    return undefined
  }

  matches (): boolean {
    return false
  }

  close (): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#held.set(0)
    this.listener = undefined
    this.#surroundings.release(this.#source, this)
  }

  attach (): void {
    this.#hasFailed = false
  }

  tellChange (revision: number): void {
    if (this.#isGrouped) {
      this.#tell(listener => { listener.onChange(revision, undefined) })
      return
    }
    let result: unknown
    try {
      result = this.result()
    } catch (error) {
      if (!this.#hasFailed) this.tellFailure(error)
      return
    }
    if (this.#hasFailed) {
      this.tellReset(revision)
    } else if (!Object.is(result, this.#last)) {
      this.#last = result
      this.#tell(listener => { listener.onChange(revision, undefined) })
    }
  }

  tellReset (revision: number): void {
    try {
      this.#last = this.result()
    } catch (error) {
      this.tellFailure(error)
      return
    }
    this.#hasFailed = false
    this.#tell(listener => { listener.onReset(revision) })
  }

  tellFailure (error: unknown): void {
    this.#hasFailed = true
    this.#tell(listener => { listener.onFailure(error) })
  }

  tellDrop (): void {
    const { listener } = this
    this.close()
    if (listener !== undefined) callSafely(() => { listener.onDrop() }, this.#surroundings.onFailure)
  }

  #tell (call: (listener: ViewListener) => void): void {
    const { listener } = this
    if (listener !== undefined) callSafely(() => { call(listener) }, this.#surroundings.onFailure)
  }
}
