import { bodyOf } from './conversation.js'
import type { Connection } from './connection.js'
import type { Environment } from './environment.js'
import { DisconnectedError, NoexClientError, TimeoutError, type Outcome } from './errors.js'
import type { LinkListener } from './link.js'
import type { RequestOptions } from './types.js'

/** Requests that can wait for a connection. */
const MAX_WAITING = 10_000

/**
 * Time after its first sending for which a request with a key is repeated, in milliseconds of the server's
 * clock: it remembers keys for ten minutes. PROTOCOL.md, "Idempotency keys".
 */
const REPEAT_MS = 540_000

/** Operations of the server that change nothing, and take no key. */
const reads = new RegExp('^(store|rules|procedures|identity|auth|audit|server)\\.(get|list|query|find|all|where|' +
  'count|first|last|paginate|sum|avg|min|max|group|buckets|stats|connections|validate|my|who)')

/** A request that has no answer yet. */
interface Waiting {
  /** The JSON of its idempotency key, empty where it has none. */
  key: string
  readonly body: string
  /** Whether it is sent again when its reply is lost. */
  readonly isRepeated: boolean
  /** Whether it may be done twice. */
  isRead: boolean
  /** Whether the server knows it again by its key, as it was sent last. */
  isKeyed: boolean
  /** Time of the server at which it was first sent. */
  sentAt: number | undefined
  /** Whether it is on its way over the present connection. */
  isSent: boolean
  giveUp: () => void
  readonly resolve: (data: any) => void
  readonly reject: (error: Error) => void
}

/** The requests of a client, over all of its connections. */
export class Requests implements LinkListener {
  readonly #connection: Connection
  readonly #timeoutMs: number
  readonly #environment: Environment
  /** In the order of their beginning, which is that of their sending. */
  readonly #waiting = new Set<Waiting>()

  /** `timeoutMs`: time for a reply where a request has none of its own. */
  constructor (connection: Connection, timeoutMs: number, environment: Environment) {
    this.#connection = connection
    this.#timeoutMs = timeoutMs
    this.#environment = environment
    connection.listeners.push(this)
    connection.state.subscribe(() => {
      if (connection.state.value === 'refused') this.#rejectAll()
    })
  }

  /**
   * Sends a request, as soon as there is a connection. Resolves with the data of the reply.
   * @throws `NoexClientError`: that of the server, a `DisconnectedError`, a `TimeoutError`, or one with the code
   * `ABORTED`, the outcome of which is in its `details`.
   */
  async request (
    type: string,
    members: object = {},
    { retry = false, signal, timeoutMs = this.#timeoutMs }: RequestOptions = {}
  ): Promise<any> {
    const isRead = reads.test(type)
    const { idempotencyKey, ...rest } = members as { idempotencyKey?: unknown }
    // Now and not when it is sent: the application may change what it has passed.
    const body = bodyOf(type, rest)
    const key = idempotencyKey ?? (retry && !isRead ? randomKey() : undefined)
    if (signal?.aborted === true) throw aborted('not-done')
    this.#connection.wake()
    return await new Promise((resolve, reject) => {
      const settle = (run: () => void): void => {
        waiting.giveUp()
        this.#waiting.delete(waiting)
        cancelTimeout()
        signal?.removeEventListener('abort', onAbort)
        run()
      }
      const waiting: Waiting = {
        key: key === undefined ? '' : `"idempotencyKey":${JSON.stringify(key)},`,
        body,
        isRead,
        isRepeated: retry,
        isKeyed: false,
        sentAt: undefined,
        isSent: false,
        giveUp: () => {},
        resolve: data => { settle(() => { resolve(data) }) },
        reject: error => { settle(() => { reject(error) }) }
      }
      const onAbort = (): void => { waiting.reject(aborted(outcomeOf(waiting))) }
      const cancelTimeout = this.#environment.after(timeoutMs, () => {
        const { error } = this.#connection.state
        const why = error === undefined ? '' : `: ${error.message}`
        waiting.reject(new TimeoutError(`No reply to ${type} within ${timeoutMs} ms${why}`, outcomeOf(waiting)))
      })
      signal?.addEventListener('abort', onAbort)
      if (this.#connection.isReady) {
        this.#waiting.add(waiting)
        this.#send(waiting)
      } else if (this.#connection.state.value === 'refused') {
        waiting.reject(this.#disconnected(waiting))
      } else if (this.#waiting.size >= MAX_WAITING) {
        waiting.reject(new DisconnectedError(`${MAX_WAITING} requests wait for a connection already`, 'not-done'))
      } else {
        this.#waiting.add(waiting)
      }
    })
  }

  /** Sends what waits: behind the live queries, which have asked first. */
  async onReady (): Promise<void> {
    for (const waiting of [...this.#waiting]) if (!waiting.isSent) this.#send(waiting)
  }

  onPush (): void {}
  onSystem (): void {}
  onLost (): void {}

  #send (waiting: Waiting): void {
    const connection = this.#connection
    if (!this.#canRepeat(waiting)) return waiting.reject(this.#disconnected(waiting))
    waiting.isSent = true
    waiting.isKeyed = waiting.key !== '' && connection.has('idempotency')
    waiting.sentAt ??= connection.serverNow()
    waiting.giveUp = connection.send(waiting.key + waiting.body, waiting.resolve, error => {
      if (error instanceof DisconnectedError) {
        waiting.isSent = false
        if (!waiting.isRepeated || !(waiting.isRead || waiting.isKeyed)) waiting.reject(error)
      } else if (/^idempotencyKey: is not taken/.test(error.message) && !waiting.isRead) {
        // An operation of the application that only reads.
        waiting.isRead = true
        waiting.key = ''
        this.#send(waiting)
      } else {
        waiting.reject(error)
      }
    })
  }

  /** Whether sending it cannot do it twice. */
  #canRepeat ({ sentAt, isRead, isKeyed }: Waiting): boolean {
    const connection = this.#connection
    return sentAt === undefined || isRead ||
      (isKeyed && connection.has('idempotency') && connection.serverNow() - sentAt < REPEAT_MS)
  }

  #rejectAll (): void {
    for (const waiting of [...this.#waiting]) waiting.reject(this.#disconnected(waiting))
  }

  #disconnected (waiting: Waiting): DisconnectedError {
    const why = this.#connection.state.error?.message ?? 'it cannot be repeated safely'
    return new DisconnectedError(`There is no connection: ${why}`, outcomeOf(waiting))
  }
}

/** A request that was sent may have been carried out. */
function outcomeOf ({ sentAt }: Waiting): Outcome {
  return sentAt === undefined ? 'not-done' : 'unknown'
}

function aborted (outcome: Outcome): NoexClientError {
  return new NoexClientError('ABORTED', 'The request was aborted', { outcome })
}

/** Returns 128 random bits as text. */
function randomKey (): string {
  const { crypto } = globalThis as { crypto?: { getRandomValues: (array: Uint8Array) => Uint8Array } }
  if (crypto?.getRandomValues === undefined) {
    throw new NoexClientError('VALIDATION_ERROR', '`retry` needs crypto.getRandomValues: load a polyfill')
  }
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
