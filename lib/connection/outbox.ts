import type { Duplex } from 'node:stream'
import { runInNextTick } from '../clock.js'
import type { Sink } from '../feeds/subscription-table.js'
import { textFrame, textFrames } from '../protocol/frame.js'

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
  /** Less than `markBytes` wait again. */
  drained: () => void
}

/**
 * The only place that writes to a socket. What is sent in one tick leaves in one write, in order.
 * It drops nothing: replies are always written, and whoever pushes asks `congested` first.
 */
export class Outbox implements Sink {
  readonly #owner: OutboxOwner
  readonly #stream: Duplex
  readonly #limits: OutboxLimits
  #pending: Array<string | Buffer> = []
  #pendingBytes = 0
  #congested = false
  #written: (() => void) | undefined

  constructor (owner: OutboxOwner, stream: Duplex, limits: OutboxLimits) {
    this.#owner = owner
    this.#stream = stream
    this.#limits = limits
  }

  /** Whether pushes must wait until the client has read more. */
  get congested (): boolean {
    return this.#congested || this.bufferedBytes >= this.#limits.markBytes
  }

  /** Whether nothing more should be read from the client. */
  get full (): boolean {
    return this.bufferedBytes >= this.#limits.maxBufferedBytes
  }

  /** Bytes that wait for the client, in this process. */
  get bufferedBytes (): number {
    return this.#stream.writableLength + this.#pendingBytes
  }

  /** Sends a message. */
  send (text: string): void {
    this.#add(text)
  }

  /** Sends a frame that is encoded already. */
  sendFrame (frame: Buffer): void {
    this.#add(frame)
  }

  #add (item: string | Buffer): void {
    this.#pendingBytes += item.length
    if (this.#pending.push(item) === 1) runInNextTick(flush, this)
  }

  /** Hands everything to the socket now. */
  flush (): void {
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    this.#pendingBytes = 0
    if (!this.#owner.writable) return
    const chunks = toChunks(pending)
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
    if (!this.#congested && stream.writableLength >= this.#limits.markBytes) {
      this.#congested = true
      this.#owner.congested()
    }
  }

  /** What brought the buffer above the mark has left: also when it left at once, because somebody may wait since. */
  #drained (): void {
    if (this.#stream.destroyed || this.bufferedBytes >= this.#limits.markBytes) return
    this.#congested = false
    this.#owner.drained()
  }
}

function flush (outbox: Outbox): void {
  outbox.flush()
}

/** Texts that follow each other become one buffer; prepared frames are shared with other clients and stay as they are. */
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
