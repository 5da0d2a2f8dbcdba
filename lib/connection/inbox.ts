import { isBurstOver, nextTurn, noteWork } from '../util/slice.js'

/** How much may wait in an inbox. One TCP chunk of small frames may arrive on top of each. */
export interface InboxLimits {
  readonly maxFrames: number
  /** Of the texts that wait, in memory: see `sizeOf`. */
  readonly maxBytes: number
}

/**
 * Messages of one client that wait for their turn.
 * @limit nothing more is read from the client until it has fewer
 */
const MAX_WAITING_FRAMES = 256
/**
 * Bytes of the messages of one client that wait for their turn.
 * @limit nothing more is read from the client until it has fewer
 */
const MAX_WAITING_BYTES = 1_048_576

/** As much may wait for a client that has logged in, or need not. */
const usualLimits: InboxLimits = { maxFrames: MAX_WAITING_FRAMES, maxBytes: MAX_WAITING_BYTES }

/**
 * Bytes of the messages that wait for their turn, of all clients that have yet to log in.
 * @limit close 1013 `overloaded`
 */
const MAX_UNAUTHENTICATED_BYTES = 67_108_864

/**
 * Memory that a text takes beside its characters, in bytes; it counts for all together, where frames may
 * be many and small.
 */
const FRAME_OVERHEAD_BYTES = 64

/**
 * The inboxes of all clients that have yet to log in: how much waits in them, and how much of it may be one
 * client's.
 */
export class UnauthenticatedInboxes {
  readonly limits: InboxLimits
  #bytes = 0

  /**
   * `maxFrameBytes` is the largest frame that such a client may send. One frame may wait behind the one that
   * is being handled.
   */
  constructor (maxFrameBytes: number) {
    this.limits = { maxFrames: 1, maxBytes: maxFrameBytes }
  }

  /** Whether more waits than all of them may have together. */
  get isOverfull (): boolean {
    return this.#bytes > MAX_UNAUTHENTICATED_BYTES
  }

  add (frames: number, bytes: number): void {
    this.#bytes += frames * FRAME_OVERHEAD_BYTES + bytes
  }

  remove (frames: number, bytes: number): void {
    this.add(-frames, -bytes)
  }
}

/** Bytes that are read in about the time of a small request. */
const BYTES_OF_SMALL = 2_048

/** The handler of the frames of an inbox. */
export interface FrameHandler {
  /** Handles one frame. Returns a promise, which never rejects, when that takes time. */
  handle: (text: string) => Promise<void> | undefined
}

/** The message flow of an inbox. */
export interface InboxOwner {
  /** Called when the inbox has become full, or has room again. */
  regulate: () => void
  /** Called when the inboxes of all unauthenticated clients are overfull, and this one has just grown. */
  overload: () => void
}

/**
 * The frames of one connection that wait for their turn: one is handled at a time, so replies keep the order
 * of the requests. When full, its owner stops reading the socket, so that TCP slows the client down. Of a
 * burst, others have their turn every few milliseconds.
 */
export class Inbox {
  readonly #handler: FrameHandler
  readonly #owner: InboxOwner
  /** `undefined` once the client has logged in, or where it need not. */
  #unauthenticated: UnauthenticatedInboxes | undefined
  #waiting: string[] = []
  /** Of each text that waits. */
  #sizes: number[] = []
  #bytes = 0
  #busy = false
  #held = false
  #idle: Array<() => void> | undefined
  #done: (() => void) | undefined

  constructor (handler: FrameHandler, owner: InboxOwner, unauthenticated?: UnauthenticatedInboxes) {
    this.#handler = handler
    this.#owner = owner
    this.#unauthenticated = unauthenticated
  }

  /** Whether no more frames should be read for now. */
  get full (): boolean {
    const { maxFrames, maxBytes } = this.#limits
    return this.#waiting.length >= maxFrames || this.#bytes >= maxBytes
  }

  /** Whether so much has come on top, one chunk after the other, that not even one more should be read. */
  get overfull (): boolean {
    const { maxFrames, maxBytes } = this.#limits
    return this.#waiting.length >= 16 * maxFrames || this.#bytes >= 2 * maxBytes
  }

  get #limits (): InboxLimits {
    return this.#unauthenticated?.limits ?? usualLimits
  }

  /** Takes a frame; `bytes` is its length as it was sent. */
  push (text: string, bytes = Buffer.byteLength(text)): void {
    const size = sizeOf(text, bytes)
    this.#waiting.push(text)
    this.#sizes.push(size)
    this.#bytes += size
    this.#unauthenticated?.add(1, size)
    if (!this.#busy && !this.#held) this.#next()
    else if (this.#unauthenticated?.isOverfull === true) this.#owner.overload()
    else if (this.full) this.#owner.regulate()
  }

  /** The client has logged in for the first time: from now on as much may wait as for any other. */
  authenticate (): void {
    this.#unauthenticated?.remove(this.#waiting.length, this.#bytes)
    this.#unauthenticated = undefined
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
    this.#unauthenticated?.remove(this.#waiting.length, this.#bytes)
    this.#bytes = 0
    this.#waiting = []
    this.#sizes = []
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
    let bytes = 0
    let work: Promise<void> | undefined
    this.#busy = true
    const waiting = this.#waiting
    while (work === undefined && !this.#held && taken < waiting.length && waiting === this.#waiting) {
      if (taken > 0 && isBurstOver()) {
        work = nextTurn()
        break
      }
      const size = this.#sizes[taken] as number
      if (size > BYTES_OF_SMALL) noteWork(size / BYTES_OF_SMALL)
      bytes += size
      work = this.#handler.handle(waiting[taken++] as string)
    }
    // Unless all of it has been dropped meanwhile.
    if (waiting === this.#waiting) this.#remove(taken, bytes)
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

  /** Removes frames from the front. */
  #remove (frames: number, bytes: number): void {
    this.#unauthenticated?.remove(frames, bytes)
    this.#bytes -= bytes
    this.#waiting.splice(0, frames)
    this.#sizes.splice(0, frames)
  }

  #settle (): void {
    const idle = this.#idle
    this.#idle = undefined
    idle?.forEach(resolve => { resolve() })
  }
}

/**
 * The bytes that a text takes: as it was sent, or in memory, where one character beyond Latin-1 makes two
 * bytes of each.
 */
function sizeOf (text: string, bytes: number): number {
  return text.length === bytes ? bytes : Math.max(bytes, 2 * text.length)
}
