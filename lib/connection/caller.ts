import { addressKey } from '../handshake/client-address.js'
import type { RequestHeaders, Session } from '../protocol/session.js'
import type { Log } from '../util/log.js'

/** The parts of a caller. */
interface CallerParts {
  /** Empty where the application itself calls. */
  readonly remoteAddress: string
  readonly session: Session | undefined
  /** The headers that an authenticator may read. */
  readonly headers: RequestHeaders
  /** Returns the logger of its request; called when there is something to log. */
  readonly log: () => Log
  /** Whether the client has gone, so that nothing more is done for it. */
  readonly hasLeft: () => boolean
}

/** The party that calls operations without a connection: a request over HTTP, or the application. */
export class Caller {
  readonly remoteAddress: string
  readonly headers: RequestHeaders
  readonly hasLeft: () => boolean
  /** To be called when the client has gone. */
  onLeft: (() => void) | undefined
  /** `undefined` for an anonymous one. */
  readonly session: Session | undefined
  readonly #makeLog: () => Log
  #log: Log | undefined
  #addressKey: string | undefined

  constructor ({ remoteAddress, session, headers, log, hasLeft }: CallerParts) {
    this.remoteAddress = remoteAddress
    this.session = session
    this.headers = headers
    this.hasLeft = hasLeft
    this.#makeLog = log
  }

  /** Limits count an anonymous caller by this key. */
  get addressKey (): string {
    this.#addressKey ??= addressKey(this.remoteAddress)
    return this.#addressKey
  }

  get log (): Log {
    this.#log ??= this.#makeLog()
    return this.#log
  }

  /** The user, or the address where there is none, by which what is bounded for each client is counted. */
  get account (): string {
    return this.session === undefined ? `address ${this.addressKey}` : `user ${this.session.userId}`
  }
}
