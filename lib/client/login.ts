import type { Backoff } from './backoff.js'
import type { Environment } from './environment.js'
import { delayOf } from './ending.js'
import { messageOf, NoexClientError } from './errors.js'
import type { LoginInput } from './types.js'

/** What a login needs of its connection. */
export interface LoginHost {
  readonly environment: Environment
  readonly getToken: () => LoginInput | Promise<LoginInput>
  /** Time for `getToken` and the server's answer together, in milliseconds. */
  readonly timeoutMs: number
  /** Delays between attempts to renew. */
  readonly delays: Backoff
  readonly isRequired: boolean
  readonly request: (type: string, members: object) => Promise<any>
  /** Returns the time of the server, epoch milliseconds: that of the client may be wrong. */
  readonly serverNow: () => number
  /** Called once, when the client is logged in or need not be. */
  readonly onReady: () => void
  /** Called when a renewal has failed and the session goes on, and with `undefined` when one has succeeded. */
  readonly onProblem: (error: NoexClientError | undefined) => void
  /** Called when there is no session; `isFinal` where another attempt would be refused, too. */
  readonly onFailed: (error: NoexClientError, isFinal: boolean, retryAfterMs: number) => void
}

/** A session is renewed so long before its end, or up to twice that; of a short one in its last quarter. */
const AHEAD_MS = 60_000

/** Least time between a login and the next, in milliseconds. */
const PAUSE_MS = 1_000

/** Least time between a login and one because the server does not know it any more, in milliseconds. */
const DOUBT_MS = 10_000

/** Errors of a server that may take the same login later. */
const passing = ['RATE_LIMITED', 'INTERNAL_ERROR', 'BACKPRESSURE', 'LOGIN_FAILED', 'DISCONNECTED']

/** The session of one connection: logs in, and again before the session ends. */
export class Login {
  readonly #host: LoginHost
  #isFirst = true
  #isStopped = false
  #isTrying = false
  /** Times of the server, epoch milliseconds. */
  #since = 0
  #renewAt = Infinity
  #expiresAt = Infinity
  #problem: NoexClientError | undefined
  #cancel = (): void => {}

  constructor (host: LoginHost) {
    this.#host = host
    this.#attempt()
  }

  stop (): void {
    this.#isStopped = true
    this.#cancel()
  }

  /** To be called when the server has told its time: a timer of a device that slept is late. */
  arm (): void {
    this.#cancel()
    if (this.#isStopped || this.#isTrying) return
    const next = Math.min(this.#renewAt, this.#expiresAt)
    this.#cancel = this.#host.environment.after(Math.max(0, next - this.#host.serverNow() + 1), () => {
      if (this.#host.serverNow() < this.#expiresAt) return this.#attempt()
      this.#host.onFailed(this.#problem ?? failed('the session has ended'), false, 0)
    })
  }

  /** To be called when the server has refused a request because there is no session. */
  doubt (): void {
    this.#renewAt = Math.min(this.#renewAt, Math.max(this.#since + DOUBT_MS, this.#host.serverNow()))
    this.arm()
  }

  #attempt (): void {
    const { environment, serverNow, timeoutMs } = this.#host
    this.#isTrying = true
    this.#cancel()
    let isOver = false
    const end = (run: () => void): void => {
      if (isOver) return
      isOver = true
      cancel()
      this.#isTrying = false
      if (!this.#isStopped) run()
    }
    const fail = (error: unknown): void => {
      end(() => { this.#failed(error instanceof NoexClientError ? error : failed(messageOf(error))) })
    }
    const cancel = environment.after(Math.min(timeoutMs, this.#expiresAt - serverNow()), () => {
      fail(failed(`no login within ${timeoutMs} ms`))
    })
    this.#logIn(() => isOver || this.#isStopped).then(data => { end(() => { this.#done(data) }) }, fail)
  }

  /** Resolves with the reply; with `undefined` where there is no login. */
  async #logIn (isLate: () => boolean): Promise<any> {
    const { getToken, isRequired, request } = this.#host
    const input = await getToken()
    // Neither a password nor a token is sent when it is not waited for any more.
    if (isLate()) return
    if (!input) {
      if (!this.#isFirst) throw new Error('getToken has returned nothing')
      if (isRequired) throw loginRequired()
      return
    }
    const { username, password } = input as { username?: unknown, password?: unknown }
    if (typeof input !== 'string' && (typeof username !== 'string' || typeof password !== 'string')) {
      throw new Error('getToken must return a token, { username, password } or undefined')
    }
    try {
      return await (typeof input === 'string'
        ? request('auth.login', { token: input })
        : request('identity.login', { username, password }))
    } catch (error) {
      // A server without logins.
      if (isRequired || (error as NoexClientError).code !== 'UNKNOWN_OPERATION') throw error
    }
  }

  #done (data: any): void {
    const { serverNow, environment, onReady, onProblem } = this.#host
    const now = this.#since = serverNow()
    const leftMs = data?.expiresAt - now
    // A session that has ended already has not: its server's clocks differ.
    const hasEnd = leftMs > 0 && leftMs < Infinity
    this.#expiresAt = hasEnd ? now + leftMs : Infinity
    this.#renewAt = hasEnd
      ? now + Math.max(leftMs - Math.min(leftMs / 4, AHEAD_MS * (1 + environment.random())), PAUSE_MS)
      : Infinity
    this.#problem = undefined
    if (data !== undefined) this.arm()
    if (!this.#isFirst) return onProblem(undefined)
    this.#isFirst = false
    onReady()
  }

  #failed (error: NoexClientError): void {
    const { delays, serverNow, onProblem, onFailed } = this.#host
    const isFinal = !passing.includes(error.code)
    const retryAfterMs = delayOf((error.details as any)?.retryAfterMs)
    if (this.#isFirst || isFinal) return onFailed(isFinal ? refused(error) : error, isFinal, retryAfterMs)
    this.#problem = error
    this.#renewAt = serverNow() + retryAfterMs + delays.next()
    this.arm()
    onProblem(error)
  }
}

/** Builds the error of a server that wants a login where there is none. */
export function loginRequired (): NoexClientError {
  return new NoexClientError('UNAUTHORIZED', 'there is no login: `getToken` must return a token')
}

function failed (problem: string): NoexClientError {
  return new NoexClientError('LOGIN_FAILED', `The login has failed and is tried again: ${problem}`)
}

function refused ({ code, message, details }: NoexClientError): NoexClientError {
  return new NoexClientError(
    code, `The server refuses the login: ${message}. Log in anew, then call reconnect()`, details
  )
}
