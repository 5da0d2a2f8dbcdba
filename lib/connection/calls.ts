import type { Decoded } from '../protocol/decode.js'
import { encodeError } from '../protocol/encode.js'
import { NoexServerError } from '../protocol/errors.js'
import { shuttingDown } from '../protocol/refusals.js'
import type { Session } from '../protocol/session.js'
import { Ring } from '../util/ring.js'
import { Waiters } from '../util/waiters.js'
import { CallClient, type CallHost, type CallReply } from './call-client.js'
import type { Caller } from './caller.js'
import { dispatchDecoded, type DispatchContext } from './dispatch.js'

/** The operations that are called without a connection, as far as they are under way. */
export class Calls {
  readonly #host: CallHost
  readonly #context: DispatchContext
  readonly #clients = new Ring<CallClient>()
  readonly #settled = new Waiters()
  readonly #reconnectWindowMs: number
  #isClosed = false

  /** `reconnectWindowMs`: the time over which clients are spread that come back after a shutdown. */
  constructor (host: CallHost, context: DispatchContext, reconnectWindowMs: number) {
    this.#host = host
    this.#context = context
    this.#reconnectWindowMs = reconnectWindowMs
  }

  /** The refusal of all calls while the service shuts down; `undefined` before. */
  get refusal (): NoexServerError | undefined {
    return this.#isClosed ? shuttingDown(this.#reconnectWindowMs) : undefined
  }

  /** Handles one message of a caller as one of a connection. Resolves with the reply; never rejects. */
  handle (message: Decoded, caller: Caller): Promise<CallReply> {
    return new Promise(resolve => { this.run(message, caller, resolve) })
  }

  /** Does the same, and calls `onReply` with the reply, once. */
  run (message: Decoded, caller: Caller, onReply: (reply: CallReply) => void): void {
    const { refusal } = this
    if (refusal !== undefined) {
      onReply(this.#refused(message, refusal))
      return
    }
    const client: CallClient = new CallClient(message, caller, this.#host, reply => {
      this.#clients.delete(client)
      client.principal.close()
      if (this.#clients.isEmpty) this.#settled.release()
      onReply(reply)
    })
    this.#clients.add(client)
    dispatchDecoded(message.kind === 'pong' ? strayPong : message, client, this.#context)
  }

  /**
   * Applies a change of the rights of a user, or with `undefined` of all users. Resolves when the writes that
   * were under way for them have ended.
   */
  async onPermissionsChanged (userId: string | undefined): Promise<void> {
    const writing: Array<Promise<unknown>> = []
    for (const client of this.#clients) {
      if (userId !== undefined && client.principal.session?.userId !== userId) continue
      if (client.writing !== undefined) writing.push(client.writing)
      client.principal.onPermissionsChanged()
    }
    await Promise.allSettled(writing)
  }

  /** Revokes the sessions that match, for the rest of their calls. Returns their users. */
  revoke (matches: (session: Session) => boolean): string[] {
    const users: string[] = []
    for (const { principal } of this.#clients) {
      const { session } = principal
      if (session === undefined || !matches(session)) continue
      users.push(session.userId)
      principal.revoke()
    }
    return users
  }

  /** Refuses all calls from now on; those that are under way go on. */
  stopAccepting (): void {
    this.#isClosed = true
  }

  /** Resolves when no call is under way. */
  async settled (): Promise<void> {
    if (!this.#clients.isEmpty) await this.#settled.wait()
  }

  /** Answers the calls that are under way with a failure: nothing is written for them any more. */
  close (): void {
    this.#isClosed = true
    for (const client of this.#clients) {
      client.abandon(this.#refused(client.message, shuttingDown(this.#reconnectWindowMs)))
    }
  }

  #refused (message: Decoded, failure: NoexServerError): CallReply {
    return { text: encodeError(idOf(message), failure, this.#context.exposeErrorDetails), failure }
  }
}

const strayPong: Decoded = {
  kind: 'malformed',
  id: 0,
  error: new NoexServerError('INVALID_REQUEST', 'type: a pong answers a ping, and is sent on a connection')
}

function idOf (message: Decoded): number {
  switch (message.kind) {
    case 'pong': return 0
    case 'ping':
    case 'malformed': return message.id
    case 'request': return message.request.id
  }
}
