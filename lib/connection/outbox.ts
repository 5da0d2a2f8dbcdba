import type { Writable } from 'node:stream'
import type { PushTarget } from '../subscriptions/subscriber.js'
import { asciiFrames, sharingFrame, textFrames } from '../protocol/frame.js'
import { charsOf, cut, type MessageText } from '../protocol/parts.js'
import { SharingText } from '../protocol/shared-json.js'
import { noteWork } from '../util/slice.js'
import { FragmentedMessage, type FragmentedMessageOwner } from './fragmented-message.js'
import { Waiters } from '../util/waiters.js'
import { flushAtTurnEnd } from './turn-end.js'

/** Characters that are encoded in about the time of a small request. */
const CHARS_OF_SMALL = 2_048

/** Texts of at least this many characters are sent with shared bytes; to copy a shorter one costs less. */
const SHARED_CHARS = 4_096

/** Messages of at least this many characters are sent in several frames. */
const BIG_CHARS = 262_144

/** Bounds of the bytes that wait for one client. */
export interface OutboxLimits {
  /** From this many bytes on, nothing more is read from the client. */
  readonly maxBufferedBytes: number
  /** From this many bytes on, pushes wait. */
  readonly markBytes: number
}

/** The connection that an outbox belongs to. */
export interface OutboxOwner {
  /** Whether frames may still be sent: not once a close frame is on its way. */
  readonly isWritable: boolean
  /** Called when `markBytes` or more wait for the client. */
  onCongested: () => void
  /** Called while congested, when the client has read a part of a big message. */
  onProgress: () => void
  /** Called when less than `markBytes` wait again, or pushes are held no longer. */
  onDrained: () => void
}

/**
 * Writes the messages of one connection to its socket, which nothing else does. Messages of one turn of the
 * event loop leave in one write, in order. A big message leaves in several frames, as fast as the client
 * reads, and later messages wait for its last frame. Nothing is dropped: a caller that pushes checks
 * `isCongested` first.
 */
export class Outbox implements PushTarget, FragmentedMessageOwner {
  readonly #owner: OutboxOwner
  readonly #stream: Writable
  readonly #limits: OutboxLimits
  #pending: Item[] = []
  #pendingBytes = 0
  #big: FragmentedMessage | undefined
  /** The number of big messages in `#pending`. */
  #bigPending = 0
  #isAboveMark = false
  #holds = 0
  #idle: Waiters | undefined
  #written: (() => void) | undefined

  constructor (owner: OutboxOwner, stream: Writable, limits: OutboxLimits) {
    this.#owner = owner
    this.#stream = stream
    this.#limits = limits
  }

  /** Whether pushes must wait until the client has read more. */
  get isCongested (): boolean {
    return this.#holds > 0 || this.#isAboveMark || this.bufferedBytes >= this.#limits.markBytes
  }

  /** Whether reading from the client must stop. */
  get isFull (): boolean {
    return this.bufferedBytes >= this.#limits.maxBufferedBytes
  }

  /** Bytes that wait for the client in this process. */
  get bufferedBytes (): number {
    return this.#stream.writableLength + this.#pendingBytes + (this.#big?.charsLeft ?? 0)
  }

  /** Messages that have not been handed to the socket as a whole. */
  get size (): number {
    return this.#pending.length + Number(this.#big !== undefined)
  }

  get isWritable (): boolean {
    return this.#owner.isWritable
  }

  send (text: MessageText): void {
    const chars = charsOf(text)
    if (text instanceof SharingText) {
      if (chars >= SHARED_CHARS && chars < BIG_CHARS) this.#add(text, chars)
      else this.send(String(text))
      return
    }
    if (chars > CHARS_OF_SMALL) noteWork(chars / CHARS_OF_SMALL)
    if (chars < BIG_CHARS) {
      this.#add(typeof text === 'string' ? text : text.join(''), chars)
    } else {
      this.#bigPending++
      this.#add(new FragmentedMessage(typeof text === 'string' ? cut(text) : text), chars)
    }
  }

  /** Sends an encoded frame. */
  sendFrame (frame: Buffer): void {
    this.#add(frame, frame.length)
  }

  /** Sends an encoded frame that nothing of this turn follows: at once, unless messages wait before it. */
  sendLast (frame: Buffer): void {
    if (this.#pending.length > 0 || this.#big !== undefined) this.sendFrame(frame)
    else if (this.#owner.isWritable) this.#write([frame])
  }

  #add (item: Item, size: number): void {
    this.#pendingBytes += size
    if (this.#pending.push(item) === 1 && this.#big === undefined) flushAtTurnEnd(this)
  }

  /** Hands everything to the socket now, up to the first big message and including its first frames. */
  flush (): void {
    const pending = this.#pending
    if (pending.length === 0 || this.#big !== undefined) return
    this.#pending = []
    this.#pendingBytes = 0
    if (!this.#owner.isWritable) {
      this.#bigPending = 0
      this.#idle?.release()
      return
    }
    if (this.#bigPending === 0) {
      this.#write(pending as Array<Whole>)
      return
    }
    this.#bigPending--
    const at = pending.findIndex(item => item instanceof FragmentedMessage)
    if (at > 0) this.#write(pending.slice(0, at) as Array<Whole>)
    this.#pending = pending.slice(at + 1)
    for (const item of this.#pending) this.#pendingBytes += sizeOf(item)
    this.#writeBig(pending[at] as FragmentedMessage)
  }

  /** Makes pushes wait, as while congested, until the returned function is called, once. */
  holdPushes (): () => void {
    this.#holds++
    return () => {
      this.#holds--
      // Otherwise pushes wait until the congestion is over.
      if (!this.isCongested) this.#owner.onDrained()
    }
  }

  /** Whether a big message is on its way. */
  get isBusy (): boolean {
    return this.#big !== undefined
  }

  /** Resolves when no big message is on its way any more. */
  async idle (): Promise<void> {
    if (this.#big !== undefined) await (this.#idle ??= new Waiters()).wait()
  }

  #writeBig (message: FragmentedMessage): void {
    this.#big = message
    this.#checkCongestion()
    message.write(this.#stream, this).then(() => {
      this.#big = undefined
      this.flush()
      if (this.#isAboveMark) this.#endCongestion()
      if (this.#big === undefined) this.#idle?.release()
    })
  }

  onProgress (): void {
    if (!this.#isAboveMark) return
    this.#owner.onProgress()
    this.#endCongestion()
  }

  #write (items: ReadonlyArray<Whole>): void {
    const stream = this.#stream
    const [item] = items
    if (items.length === 1 && (typeof item === 'string' || Buffer.isBuffer(item))) {
      this.#writeLast(typeof item === 'string' ? encoded([item]) : item)
    } else {
      const chunks = toChunks(items)
      const last = chunks.pop() as Chunk
      if (chunks.length > 0) stream.cork()
      for (const chunk of chunks) stream.write(chunk, 'latin1')
      this.#writeLast(last)
      if (chunks.length > 0) stream.uncork()
    }
    this.#checkCongestion()
  }

  #writeLast (chunk: Chunk): void {
    const stream = this.#stream
    if (stream.writableLength + chunk.length < this.#limits.markBytes) {
      stream.write(chunk, 'latin1')
    } else {
      this.#written ??= () => { this.#endCongestion() }
      stream.write(chunk, 'latin1', this.#written)
    }
  }

  #checkCongestion (): void {
    if (this.#isAboveMark || this.bufferedBytes - this.#pendingBytes < this.#limits.markBytes) return
    this.#isAboveMark = true
    this.#owner.onCongested()
  }

  /**
   * Ends the congestion when less than `markBytes` wait. Also called after a write that the socket took at
   * once: pushes of that tick may wait.
   */
  #endCongestion (): void {
    if (this.#stream.destroyed || this.bufferedBytes >= this.#limits.markBytes) return
    this.#isAboveMark = false
    this.#owner.onDrained()
  }
}

/** A message that leaves in one frame: a text, one with shared bytes, or a frame that is encoded. */
type Whole = string | SharingText | Buffer

type Item = Whole | FragmentedMessage

function sizeOf (item: Item): number {
  return item instanceof FragmentedMessage ? item.charsLeft : item.length
}

/** The bytes of frames, as characters (`latin1`) or as a buffer. */
type Chunk = string | Buffer

function encoded (texts: readonly string[]): Chunk {
  return asciiFrames(texts) ?? textFrames(texts)
}

/** Encodes adjacent texts into one chunk; encoded frames are shared with other clients and stay apart. */
function toChunks (items: ReadonlyArray<Whole>): Chunk[] {
  const chunks: Chunk[] = []
  let texts: string[] = []
  for (const item of items) {
    if (typeof item === 'string') {
      texts.push(item)
      continue
    }
    if (texts.length > 0) chunks.push(encoded(texts))
    texts = []
    if (item instanceof SharingText) chunks.push(...sharingFrame(item))
    else chunks.push(item)
  }
  if (texts.length > 0) chunks.push(encoded(texts))
  return chunks
}
