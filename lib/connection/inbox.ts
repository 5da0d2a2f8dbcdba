import { isBurstOver, nextTurn, noteWork } from '../util/slice.js'
import { Waiters } from '../util/waiters.js'

/** Bounds of an inbox. One TCP chunk of small frames may arrive on top of each. */
export interface InboxLimits {
  readonly maxFrames: number
  /** Bytes of the waiting texts in memory, as `sizeOf` counts them. */
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

/** Bytes of memory that a text takes beside its characters; counted where small frames may be many. */
const FRAME_OVERHEAD_BYTES = 64

/** Counts the bytes in the inboxes of all unauthenticated clients, and bounds each inbox. */
export class UnauthenticatedInboxes {
  readonly limits: InboxLimits
  #bytes = 0

  /**
   * `maxFrameBytes` is the largest frame that an unauthenticated client may send. One frame may wait behind
   * the one that is being handled.
   */
  constructor (maxFrameBytes: number) {
    this.limits = { maxFrames: 1, maxBytes: maxFrameBytes }
  }

  /** Whether more waits than all inboxes may hold together. */
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

/** Bytes that are decoded in about the time of a small request. */
const BYTES_OF_SMALL = 2_048

/** Frames that are taken before they are removed: to remove each by itself would copy those behind it. */
const MAX_TAKEN = 64

/** The handler of the frames of an inbox. */
export interface FrameHandler {
  /** Handles one frame. Returns a promise, which never rejects, where that takes time. */
  handle: (text: string) => Promise<void> | undefined
}

/** The message flow of an inbox. */
export interface InboxOwner {
  /** Called when the inbox has become full, or has room again. */
  regulate: () => void
  /** Called when the inboxes of all unauthenticated clients are overfull, and this one has just grown. */
  onOverload: () => void
}

/**
 * The frames of one connection that wait to be handled, one at a time, so that replies keep the order of the
 * requests. While it is full, its owner does not read the socket, so that TCP slows the client down. A burst
 * gives way to other connections every few milliseconds.
 */
export class Inbox {
  readonly #handler: FrameHandler
  readonly #owner: InboxOwner
  /** `undefined` once the client has logged in, or where it need not. */
  #unauthenticated: UnauthenticatedInboxes | undefined
  /** Those at the front that have been taken are empty. */
  #waiting: string[] = []
  /** The bytes of each text. */
  #sizes: number[] = []
  /** Number of texts that have been taken. */
  #taken = 0
  #bytes = 0
  #isBusy = false
  #isHeld = false
  #idle: Waiters | undefined
  #done: (() => void) | undefined

  constructor (handler: FrameHandler, owner: InboxOwner, unauthenticated?: UnauthenticatedInboxes) {
    this.#handler = handler
    this.#owner = owner
    this.#unauthenticated = unauthenticated
  }

  /** Whether reading must stop. */
  get isFull (): boolean {
    const { maxFrames, maxBytes } = this.#limits
    return this.size >= maxFrames || this.#bytes >= maxBytes
  }

  /** Whether so much has arrived on top of the bounds that not a single chunk more may be read. */
  get isOverfull (): boolean {
    const { maxFrames, maxBytes } = this.#limits
    return this.size >= 16 * maxFrames || this.#bytes >= 2 * maxBytes
  }

  /** Number of texts that wait. */
  get size (): number {
    return this.#waiting.length - this.#taken
  }

  get #limits (): InboxLimits {
    return this.#unauthenticated?.limits ?? usualLimits
  }

  /** Adds a frame; `bytes` is its length as it was sent. */
  push (text: string, bytes = Buffer.byteLength(text)): void {
    const size = sizeOf(text, bytes)
    this.#waiting.push(text)
    this.#sizes.push(size)
    this.#bytes += size
    this.#unauthenticated?.add(1, size)
    if (!this.#isBusy && !this.#isHeld) this.#next()
    else if (this.#unauthenticated?.isOverfull === true) this.#owner.onOverload()
    else if (this.isFull) this.#owner.regulate()
  }

  /** Lifts the bounds of an unauthenticated client, after its first login. */
  authenticate (): void {
    this.#unauthenticated?.remove(this.size, this.#bytes)
    this.#unauthenticated = undefined
  }

  /** Starts no more frames until `release`. */
  hold (): void {
    this.#isHeld = true
  }

  release (): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    if (!this.#isBusy) this.#next()
  }

  /** Drops the frames that have not been started. */
  clear (): void {
    this.#unauthenticated?.remove(this.size, this.#bytes)
    this.#bytes = 0
    this.#waiting = []
    this.#sizes = []
    this.#taken = 0
    if (!this.#isBusy) this.#idle?.release()
  }

  /** Resolves when no frame is being handled or waiting. */
  async idle (): Promise<void> {
    if (!this.#isBusy && this.size === 0) return
    await (this.#idle ??= new Waiters()).wait()
  }

  /** Handles the next frames, in a later turn when bursts have taken too much of this one. */
  #goOn (): void {
    if (this.size > 0 && isBurstOver()) nextTurn().then(() => { this.#next() })
    else this.#next()
  }

  /** Handles waiting frames; those that are done at once in this loop, without recursion. */
  #next (): void {
    const wasFull = this.isFull
    let work: Promise<void> | undefined
    this.#isBusy = true
    for (let isFirst = true; work === undefined && !this.#isHeld && this.size > 0; isFirst = false) {
      work = !isFirst && isBurstOver() ? nextTurn() : this.#handler.handle(this.#take())
    }
    if (work === undefined) {
      this.#isBusy = false
      if (this.size === 0) this.#idle?.release()
    } else {
      // Created on first use, so that an idle client does not pay for it.
      this.#done ??= () => { this.#goOn() }
      work.then(this.#done, this.#done)
    }
    if (wasFull && !this.isFull) this.#owner.regulate()
  }

  /** Removes the frame at the front. */
  #take (): string {
    const text = this.#waiting[this.#taken] as string
    const size = this.#sizes[this.#taken] as number
    this.#waiting[this.#taken++] = ''
    if (this.size === 0 || this.#taken === MAX_TAKEN) {
      this.#waiting.splice(0, this.#taken)
      this.#sizes.splice(0, this.#taken)
      this.#taken = 0
    }
    this.#bytes -= size
    this.#unauthenticated?.remove(1, size)
    if (size > BYTES_OF_SMALL) noteWork(size / BYTES_OF_SMALL)
    return text
  }
}

/** Returns the bytes of a text: as sent, or two for each character where one is beyond Latin-1. */
function sizeOf (text: string, bytes: number): number {
  return text.length === bytes ? bytes : Math.max(bytes, 2 * text.length)
}
