import type { Writable } from 'node:stream'
import type { ConnectionDetails } from '../operations/server-info.js'
import type { MessageText } from '../protocol/parts.js'
import type { PushTarget } from '../subscriptions/subscriber.js'
import type { ClientSocket } from './socket.js'
import { HeldReplies, type Hold, type Reply } from './held-replies.js'
import { Inbox, type FrameHandler, type InboxOwner, type UnauthenticatedInboxes } from './inbox.js'
import { Outbox, type OutboxLimits, type OutboxOwner } from './outbox.js'

/** The connection of a message flow. */
export interface FlowOwner extends FrameHandler {
  /** Whether requests are accepted: not once a close has begun, from either side. */
  readonly isOpen: boolean
  /** Set when reading begins again: the answer to a ping may be among the unread frames. */
  isAlive: boolean
  /**
   * Called when the inboxes of all unauthenticated clients together are overfull, and this client's has just
   * grown.
   */
  onOverload: () => void
  /** Called when the client does not keep up, and again for each part of a big message that it reads. */
  onCongested: () => void
  /** Called when pushes may be sent again. */
  onDrained: () => void
}

/**
 * The messages of one connection, in both directions: frames are read no faster than requests are handled and
 * replies are read. PROTOCOL.md, "Flow control".
 */
export class MessageFlow implements InboxOwner, OutboxOwner {
  readonly #owner: FlowOwner
  readonly #ws: ClientSocket
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #maxHeldChars: number
  /** Created when the first reply must wait. */
  #held: HeldReplies | undefined
  /** Whether requests wait in the inbox until replies have left. */
  #isHolding = false
  #afterReplies: (() => void) | undefined

  /** `unauthenticated`: the inboxes that this one counts among until the client has logged in. */
  constructor (
    owner: FlowOwner, ws: ClientSocket, stream: Writable, limits: OutboxLimits,
    unauthenticated: UnauthenticatedInboxes | undefined
  ) {
    this.#owner = owner
    this.#ws = ws
    this.#inbox = new Inbox(owner, this, unauthenticated)
    this.#outbox = new Outbox(this, stream, limits)
    this.#maxHeldChars = limits.maxBufferedBytes
  }

  get pushTarget (): PushTarget {
    return this.#outbox
  }

  /** Bytes that wait for the client. */
  get queuedBytes (): number {
    return this.#outbox.bufferedBytes
  }

  /** Returns for operators how much waits, in both directions. */
  get queued (): ConnectionDetails['queued'] {
    const frames = this.#outbox.size + (this.#held?.size ?? 0)
    return { frames, bytes: this.queuedBytes, requests: this.#inbox.size }
  }

  /** Whether frames may still be sent: not once a close frame is on its way. */
  get isWritable (): boolean {
    return this.#ws.readyState === this.#ws.OPEN
  }

  /** Whether reading has stopped because the client does not read: a deadline ends that, no heartbeat. */
  get isPaused (): boolean {
    return this.#ws.isPaused && this.#outbox.isFull
  }

  /** Takes a frame; `bytes` is its length as it was sent. */
  receive (text: string, bytes: number): void {
    this.#inbox.push(text, bytes)
  }

  /** Sends a message that answers no request. */
  send (text: MessageText): void {
    this.#outbox.send(text)
  }

  /** Sends an encoded frame, which other clients are sent as well. */
  sendFrame (frame: Buffer): void {
    this.#outbox.sendFrame(frame)
  }

  /** Writes what has been sent in this turn. */
  flush (): void {
    this.#outbox.flush()
  }

  /** Answers the request that is being handled; with `hold`, once that is released. */
  reply (reply: Reply, hold?: Hold): void {
    if (!this.#owner.isOpen) return
    if (hold === undefined && this.#areRepliesSent) {
      this.#deliver(reply)
      return
    }
    this.#held ??= new HeldReplies(this.#maxHeldChars, held => { this.#deliver(held) })
    this.#held.add(reply, hold)
    if (this.#held.isFull) this.regulate()
  }

  /** Calls `work` when the waiting replies and that of the request under way have been sent. */
  afterReplies (work: () => void): void {
    this.#afterReplies = work
  }

  #deliver ({ text, sent, answered }: Reply): void {
    if (!this.#owner.isOpen) return
    this.#outbox.send(text)
    sent?.()
    answered?.()
    if (this.#afterReplies !== undefined && this.#areRepliesSent) this.#afterReplies()
    else if (this.#outbox.isFull) this.regulate()
    else if (this.#isHolding) this.#release()
  }

  get #areRepliesSent (): boolean {
    return this.#held?.isEmpty !== false
  }

  /** Whether no more requests may be started: the client does not read, or too many replies wait. */
  get #isFull (): boolean {
    return this.#outbox.isFull || this.#held?.isFull === true
  }

  /** Starts the requests that have waited for replies to leave. */
  #release (): void {
    if (this.#isFull) return
    this.#isHolding = false
    this.#inbox.release()
    this.regulate()
  }

  regulate (): void {
    if (!this.#owner.isOpen) return
    const isFull = this.#isFull
    if (isFull && !this.#isHolding) {
      this.#isHolding = true
      this.#inbox.hold()
    }
    if (isFull || this.#inbox.isFull) this.#ws.pause()
    else this.#resume()
  }

  #resume (): void {
    if (!this.#ws.isPaused) return
    this.#owner.isAlive = true
    this.#ws.resume()
  }

  /** Reads although requests wait, to distinguish a busy client from one that is gone. */
  listen (): void {
    if (this.#ws.isPaused && !this.#outbox.isFull && !this.#inbox.isOverfull) this.#ws.resume()
  }

  /** Makes pushes wait until the returned function is called, once. */
  holdPushes (): () => void {
    return this.#outbox.holdPushes()
  }

  /** Lifts the bounds of an unauthenticated client, after its first login. */
  authenticate (): void {
    this.#inbox.authenticate()
    this.regulate()
  }

  onOverload (): void {
    this.#owner.onOverload()
  }

  onCongested (): void {
    this.#owner.onCongested()
    if (this.#outbox.isFull) this.regulate()
  }

  onProgress (): void {
    this.#owner.onCongested()
  }

  onDrained (): void {
    this.#owner.onDrained()
    if (this.#isHolding) this.#release()
  }

  /** Resolves when every request that has arrived is answered. */
  async settled (): Promise<void> {
    await this.#inbox.idle()
    await this.#held?.idle()
  }

  /** Drops the requests that have not been started, and the replies that wait. */
  clear (): void {
    this.#inbox.clear()
    this.#held?.clear()
  }

  /**
   * Hands everything to the socket, resumes reading for the answer to the close frame, and calls `close` when
   * the close frame may be sent.
   */
  finish (close: () => void): void {
    this.#outbox.flush()
    if (this.#ws.isPaused) this.#ws.resume()
    if (this.#outbox.isBusy) this.#outbox.idle().then(close)
    else close()
  }
}
