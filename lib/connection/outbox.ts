import type { Duplex } from 'node:stream'
import { runInNextTick } from '../util/clock.js'
import type { PushTarget } from '../subscriptions/query-subscriptions.js'
import { textFrame, textFrames } from '../protocol/frame.js'
import { charsOf, cut, type MessageText } from '../protocol/parts.js'
import { noteWork } from '../util/slice.js'
import { FragmentedMessage, type FragmentedMessageOwner } from './fragmented-message.js'

/** Characters that are encoded in about the time of a small request. */
const CHARS_OF_SMALL = 2_048

/** A message of so many characters leaves in several frames. */
const BIG_CHARS = 262_144

/** What may wait for one client. */
export interface OutboxLimits {
  /** Above this many bytes nothing more is read from the client. */
  readonly maxBufferedBytes: number
  /** Above this many bytes pushes wait. */
  readonly markBytes: number
}

/** The connection that an outbox belongs to. */
export interface OutboxOwner {
  /** Whether frames may still be sent: not once a close frame is on its way. */
  readonly writable: boolean
  /** More than `markBytes` wait for the client. */
  congested: () => void
  /** The client has read some of a message that is larger than `markBytes`. */
  progressed: () => void
  /** Less than `markBytes` wait again. */
  drained: () => void
}

/**
 * The only place that writes messages to a socket. What is sent in one tick leaves in one write, in order. A
 * big message leaves in
 * several frames, as fast as the client reads, and what is sent after it waits until the last one.
 * It drops nothing: replies are always written, and whoever pushes asks `congested` first.
 */
export class Outbox implements PushTarget, FragmentedMessageOwner {
  readonly #owner: OutboxOwner
  readonly #stream: Duplex
  readonly #limits: OutboxLimits
  #pending: Item[] = []
  #pendingBytes = 0
  #big: FragmentedMessage | undefined
  /** Big messages among what is pending. */
  #bigPending = 0
  #congested = false
  #holds = 0
  #idle: Array<() => void> | undefined
  #written: (() => void) | undefined

  constructor (owner: OutboxOwner, stream: Duplex, limits: OutboxLimits) {
    this.#owner = owner
    this.#stream = stream
    this.#limits = limits
  }

  /** Whether pushes must wait until the client has read more. */
  get congested (): boolean {
    return this.#holds > 0 || this.#congested || this.bufferedBytes >= this.#limits.markBytes
  }

  /** Whether nothing more should be read from the client. */
  get full (): boolean {
    return this.bufferedBytes >= this.#limits.maxBufferedBytes
  }

  /** Bytes that wait for the client, in this process. */
  get bufferedBytes (): number {
    return this.#stream.writableLength + this.#pendingBytes + (this.#big?.charsLeft ?? 0)
  }

  get writable (): boolean {
    return this.#owner.writable
  }

  /** Sends a message. */
  send (text: MessageText): void {
    const chars = charsOf(text)
    if (chars > CHARS_OF_SMALL) noteWork(chars / CHARS_OF_SMALL)
    if (chars < BIG_CHARS) {
      this.#add(typeof text === 'string' ? text : text.join(''), chars)
    } else {
      this.#bigPending++
      this.#add(new FragmentedMessage(typeof text === 'string' ? cut(text) : text), chars)
    }
  }

  /** Sends a frame that is encoded already. */
  sendFrame (frame: Buffer): void {
    this.#add(frame, frame.length)
  }

  #add (item: Item, size: number): void {
    this.#pendingBytes += size
    if (this.#pending.push(item) === 1 && this.#big === undefined) runInNextTick(flush, this)
  }

  /** Hands everything to the socket now, but for a big message and what comes after it. */
  flush (): void {
    const pending = this.#pending
    if (pending.length === 0 || this.#big !== undefined) return
    this.#pending = []
    this.#pendingBytes = 0
    if (!this.#owner.writable) {
      this.#bigPending = 0
      this.#settle()
      return
    }
    if (this.#bigPending === 0) {
      this.#write(pending as Array<string | Buffer>)
      return
    }
    this.#bigPending--
    const at = pending.findIndex(item => item instanceof FragmentedMessage)
    if (at > 0) this.#write(pending.slice(0, at) as Array<string | Buffer>)
    this.#pending = pending.slice(at + 1)
    for (const item of this.#pending) this.#pendingBytes += sizeOf(item)
    this.#writeBig(pending[at] as FragmentedMessage)
  }

  /** Lets pushes wait until what is returned is called, once: as they do while more than `markBytes` wait. */
  holdPushes (): () => void {
    this.#holds++
    return () => {
      this.#holds--
      // Otherwise they go on waiting until that is over.
      if (!this.congested) this.#owner.drained()
    }
  }

  /** Whether a big message is on its way. */
  get busy (): boolean {
    return this.#big !== undefined
  }

  /** Resolves when no big message is on its way any more. */
  async idle (): Promise<void> {
    if (this.#big !== undefined) await new Promise<void>(resolve => { (this.#idle ??= []).push(resolve) })
  }

  #writeBig (message: FragmentedMessage): void {
    this.#big = message
    this.#checkCongestion()
    message.write(this.#stream, this).then(() => {
      this.#big = undefined
      this.flush()
      if (this.#congested) this.#drained()
      if (this.#big === undefined) this.#settle()
    })
  }

  #settle (): void {
    const idle = this.#idle
    this.#idle = undefined
    idle?.forEach(resolve => { resolve() })
  }

  /** Some of a big message has left. */
  progressed (): void {
    if (!this.#congested) return
    this.#owner.progressed()
    this.#drained()
  }

  #write (items: ReadonlyArray<string | Buffer>): void {
    const chunks = toChunks(items)
    const stream = this.#stream
    if (chunks.length > 1) stream.cork()
    for (let i = 0; i < chunks.length - 1; i++) stream.write(chunks[i])
    const last = chunks[chunks.length - 1] as Buffer
    if (stream.writableLength + last.length < this.#limits.markBytes) {
      stream.write(last)
    } else {
      this.#written ??= () => { this.#drained() }
      stream.write(last, this.#written)
    }
    if (chunks.length > 1) stream.uncork()
    this.#checkCongestion()
  }

  #checkCongestion (): void {
    if (this.#congested || this.bufferedBytes - this.#pendingBytes < this.#limits.markBytes) return
    this.#congested = true
    this.#owner.congested()
  }

  /**
   * What brought the buffer above the mark has left: also when it left at once, because somebody may wait
   * since.
   */
  #drained (): void {
    if (this.#stream.destroyed || this.bufferedBytes >= this.#limits.markBytes) return
    this.#congested = false
    this.#owner.drained()
  }
}

type Item = string | Buffer | FragmentedMessage

function sizeOf (item: Item): number {
  return item instanceof FragmentedMessage ? item.charsLeft : item.length
}

function flush (outbox: Outbox): void {
  outbox.flush()
}

/**
 * Texts that follow each other become one buffer; prepared frames are shared with other clients and stay as
 * they are.
 */
function toChunks (items: ReadonlyArray<string | Buffer>): Buffer[] {
  if (items.length === 1) {
    const item = items[0] as string | Buffer
    return [typeof item === 'string' ? textFrame(item) : item]
  }
  const chunks: Buffer[] = []
  let texts: string[] = []
  for (const item of items) {
    if (typeof item === 'string') {
      texts.push(item)
      continue
    }
    if (texts.length > 0) chunks.push(textFrames(texts))
    texts = []
    chunks.push(item)
  }
  if (texts.length > 0) chunks.push(textFrames(texts))
  return chunks
}
