import { isBurstOver, nextTurn, noteWork } from '../slice.js'

/** Frames and characters that may wait. One TCP chunk of small frames may arrive on top of each. */
const MAX_FRAMES = 256
const MAX_CHARS = 1_048_576

/** Characters that are read in about the time of a small request. */
const CHARS_OF_SMALL = 2_048

/** The connection that an inbox belongs to. */
export interface InboxOwner {
  /** Handles one frame. Returns a promise, which never rejects, when that takes time. */
  handle: (text: string) => Promise<void> | undefined
  /** The inbox has become full, or has room again. */
  regulate: () => void
}

/**
 * The frames of one connection that wait for their turn: one is handled at a time, so replies keep the order
 * of the requests. When full, its owner stops reading the socket, so that TCP slows the client down. Of a
 * burst, others have
 * their turn every few milliseconds.
 */
export class Inbox {
  readonly #owner: InboxOwner
  #waiting: string[] = []
  #chars = 0
  #busy = false
  #held = false
  #idle: Array<() => void> | undefined
  #done: (() => void) | undefined

  constructor (owner: InboxOwner) {
    this.#owner = owner
  }

  /** Whether no more frames should be read for now. */
  get full (): boolean {
    return this.#waiting.length >= MAX_FRAMES || this.#chars >= MAX_CHARS
  }

  /** Whether so much has come on top, one chunk after the other, that not even one more should be read. */
  get overfull (): boolean {
    return this.#waiting.length >= 16 * MAX_FRAMES || this.#chars >= 2 * MAX_CHARS
  }

  push (text: string): void {
    this.#waiting.push(text)
    this.#chars += text.length
    if (!this.#busy && !this.#held) this.#next()
    else if (this.full) this.#owner.regulate()
  }

  /** Starts no more frames until `release`. */
  hold (): void {
    this.#held = true
  }

  release (): void {
    if (!this.#held) return
    this.#held = false
    if (!this.#busy) this.#next()
  }

  /** Drops what has not been started. */
  clear (): void {
    this.#waiting = []
    this.#chars = 0
    if (!this.#busy) this.#settle()
  }

  /** Resolves when nothing is being handled or waiting. */
  async idle (): Promise<void> {
    if (!this.#busy && this.#waiting.length === 0) return
    await new Promise<void>(resolve => { (this.#idle ??= []).push(resolve) })
  }

  /**
   * Handles what waits behind a frame that has taken its time, or, when bursts have taken too much of this
   * turn, in a later one.
   */
  #goOn (): void {
    if (this.#waiting.length > 0 && isBurstOver()) nextTurn().then(() => { this.#next() })
    else this.#next()
  }

  /** Handles waiting frames. Those that need no time are handled in this loop, not by recursion. */
  #next (): void {
    const wasFull = this.full
    let taken = 0
    let work: Promise<void> | undefined
    this.#busy = true
    while (work === undefined && !this.#held && taken < this.#waiting.length) {
      if (taken > 0 && isBurstOver()) {
        work = nextTurn()
        break
      }
      const text = this.#waiting[taken++] as string
      this.#chars -= text.length
      noteWork(text.length / CHARS_OF_SMALL)
      work = this.#owner.handle(text)
    }
    this.#waiting.splice(0, taken)
    if (work === undefined) {
      this.#busy = false
      if (this.#waiting.length === 0) this.#settle()
    } else {
      // Made when it is first needed, so that an idle client does not pay for it.
      this.#done ??= () => { this.#goOn() }
      work.then(this.#done, this.#done)
    }
    if (wasFull && !this.full) this.#owner.regulate()
  }

  #settle (): void {
    const idle = this.#idle
    this.#idle = undefined
    idle?.forEach(resolve => { resolve() })
  }
}
