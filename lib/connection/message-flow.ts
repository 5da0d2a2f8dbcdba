import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { MessageText } from '../protocol/parts.js'
import type { PushTarget } from '../subscriptions/query-subscriptions.js'
import { HeldReplies, type Hold, type Reply } from './held-replies.js'
import { Inbox, type FrameHandler, type InboxOwner, type UnauthenticatedInboxes } from './inbox.js'
import { Outbox, type OutboxLimits, type OutboxOwner } from './outbox.js'

/** The connection of a message flow. */
export interface FlowOwner extends FrameHandler {
  /** Whether requests are accepted: not once a close has begun, from either side. */
  readonly open: boolean
  /** Set when reading begins again: the answer to a ping may be among the frames that have not been read. */
  isAlive: boolean
  /**
   * Called when the inboxes of all unauthenticated clients together are overfull, and this client's has just
   * grown.
   */
  onOverload: () => void
  /** Called when the client has stopped reading, and again for each part of a long message that it takes. */
  onCongested: () => void
  /** Called when pushes may be sent again. */
  onDrained: () => void
}

/**
 * The messages of one connection, in both directions: reads no faster than requests are handled and replies
 * are read. PROTOCOL.md, "Flow control".
 */
export class MessageFlow implements InboxOwner, OutboxOwner {
  readonly #owner: FlowOwner
  readonly #ws: WebSocket
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #maxHeldChars: number
  /** Made when the first reply waits. */
  #held: HeldReplies | undefined
  /** Whether requests wait in the inbox until replies have left. */
  #isHolding = false
  #afterReplies: (() => void) | undefined

  /** `unauthenticated`: the inboxes that this one counts among until the client has logged in. */
  constructor (
    owner: FlowOwner, ws: WebSocket, stream: Duplex, limits: OutboxLimits,
    unauthenticated: UnauthenticatedInboxes | undefined
  ) {
    this.#owner = owner
    this.#ws = ws
    this.#inbox = new Inbox(owner, this, unauthenticated)
    this.#outbox = new Outbox(this, stream, limits)
    this.#maxHeldChars = limits.maxBufferedBytes
  }

  /** Where pushes are sent to. */
  get pushTarget (): PushTarget {
    return this.#outbox
  }

  /** Bytes that wait for the client. */
  get queuedBytes (): number {
    return this.#outbox.bufferedBytes
  }

  /** Whether frames may still be sent: not once a close frame is on its way. */
  get writable (): boolean {
    return this.#ws.readyState === this.#ws.OPEN
  }

  /**
   * Whether reading has stopped because the client does not read: then another deadline counts than its
   * silence.
   */
  get isPaused (): boolean {
    return this.#ws.isPaused && this.#outbox.full
  }

  /** Takes a frame; `bytes` is its length as it was sent. */
  receive (text: string, bytes: number): void {
    this.#inbox.push(text, bytes)
  }

  /** Sends a message that answers no request. */
  send (text: MessageText): void {
    this.#outbox.send(text)
  }

  /** Answers the request that is being handled; with `hold`, when that is over. */
  reply (reply: Reply, hold?: Hold): void {
    if (!this.#owner.open) return
    if (hold === undefined && this.#areRepliesSent) {
      this.#deliver(reply)
      return
    }
    this.#held ??= new HeldReplies(this.#maxHeldChars, held => { this.#deliver(held) })
    this.#held.add(reply, hold)
    if (this.#held.full) this.regulate()
  }

  /** Calls `work` when the replies that wait, and the one that is being made, have been sent. */
  afterReplies (work: () => void): void {
    this.#afterReplies = work
  }

  #deliver ({ text, sent, answered }: Reply): void {
    if (!this.#owner.open) return
    this.#outbox.send(text)
    sent?.()
    answered?.()
    if (this.#afterReplies !== undefined && this.#areRepliesSent) this.#afterReplies()
    else if (this.#outbox.full) this.regulate()
    else if (this.#isHolding) this.#release()
  }

  get #areRepliesSent (): boolean {
    return this.#held?.empty !== false
  }

  /** Whether the client must not be served for now: it does not read, or too many replies wait. */
  get #isFull (): boolean {
    return this.#outbox.full || this.#held?.full === true
  }

  /** Starts requests that waited behind replies, when these have left. */
  #release (): void {
    if (this.#isFull) return
    this.#isHolding = false
    this.#inbox.release()
    this.regulate()
  }

  regulate (): void {
    if (!this.#owner.open) return
    const isFull = this.#isFull
    if (isFull && !this.#isHolding) {
      this.#isHolding = true
      this.#inbox.hold()
    }
    if (isFull || this.#inbox.full) this.#ws.pause()
    else this.#resume()
  }

  #resume (): void {
    if (!this.#ws.isPaused) return
    this.#owner.isAlive = true
    this.#ws.resume()
  }

  /** Reads although requests wait, to tell a busy client from one that is gone. */
  listen (): void {
    if (this.#ws.isPaused && !this.#outbox.full && !this.#inbox.overfull) this.#ws.resume()
  }

  /** Lets pushes wait until the returned function is called, once. */
  holdPushes (): () => void {
    return this.#outbox.holdPushes()
  }

  /** Allows as much as for any other client, once it has logged in. */
  authenticate (): void {
    this.#inbox.authenticate()
    this.regulate()
  }

  overload (): void {
    this.#owner.onOverload()
  }

  congested (): void {
    this.#owner.onCongested()
    if (this.#outbox.full) this.regulate()
  }

  progressed (): void {
    this.#owner.onCongested()
  }

  drained (): void {
    this.#owner.onDrained()
    if (this.#isHolding) this.#release()
  }

  /** Resolves when every request that has arrived is answered. */
  async settled (): Promise<void> {
    await this.#inbox.idle()
    await this.#held?.idle()
  }

  /** Drops everything that has not been started, and replies that wait. */
  clear (): void {
    this.#inbox.clear()
    this.#held?.clear()
  }

  /**
   * Hands everything to the socket, reads on for the answer to the close frame, and calls `close` when it may
   * be sent.
   */
  finish (close: () => void): void {
    this.#outbox.flush()
    if (this.#ws.isPaused) this.#ws.resume()
    if (this.#outbox.busy) this.#outbox.idle().then(close)
    else close()
  }
}
