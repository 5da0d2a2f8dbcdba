import { backoff } from './backoff.js'
import { delayOf, type Ending } from './ending.js'
import { MAX_DELAY_MS } from './environment.js'
import { messageOf, NoexClientError } from './errors.js'
import { none } from './report.js'
import type { ConnectionSettings } from './settings.js'

/** The connection that logs in. */
export interface LoginHost {
  /** Whether there is nothing to do without a login. */
  readonly isRequired: boolean
  readonly request: (type: string, members: object) => Promise<any>
  /** Returns the time of the server, epoch milliseconds: that of the client may be wrong. */
  readonly serverNow: () => number
  /** Called once, when the client is logged in or need not be. */
  readonly onReady: () => void
  /** Called when a renewal has failed and the session goes on; without an error when one has succeeded. */
  readonly onProblem: (error?: NoexClientError) => void
  /** Called when there is no session. */
  readonly onFailed: (ending: Ending) => void
}

/** The session of one connection. */
export interface Login {
  /** To be called when the server has told its time: the timer of a device that slept is late. */
  readonly arm: () => void
  /** To be called when the server has refused a request because there is no session. */
  readonly doubt: () => void
  readonly stop: () => void
}

/** A session is renewed so long before its end, or up to twice that; a short one in its last quarter. */
const AHEAD_MS = 60_000

/** Least time between a login and the next, and one because of a doubt, in milliseconds. */
const PAUSE_MS = 1_000
const DOUBT_MS = 10_000

/** Errors of a server that may take the same login later, and those that are not the server's. */
const passing = /^(RATE_LIMITED|INTERNAL_ERROR|BACKPRESSURE|LOGIN_FAILED)$/

/** Logs in, and again before the session ends. */
export function logIn (
  { environment: { after }, getToken, connectTimeoutMs, minDelayMs, maxDelayMs }: ConnectionSettings,
  { isRequired, request, serverNow, onReady, onProblem, onFailed }: LoginHost
): Login {
  const nextDelay = backoff(minDelayMs, maxDelayMs)
  let isFirst = true
  let isOver = false
  let isTrying = false
  let cancel = none
  // Times of the server, epoch milliseconds.
  let since = 0
  let renewAt = Infinity
  let expiresAt = Infinity
  let problem: NoexClientError | undefined

  /** Resolves with the reply, with `undefined` where there is no login. */
  const send = async (isLate: () => boolean): Promise<any> => {
    const input: any = await getToken?.()
    // Neither a token nor a password is sent when it is not waited for any more.
    if (isLate()) return
    const { username, password } = input ?? {}
    if (!input) {
      if (!isFirst) throw new Error('getToken has returned nothing')
      if (isRequired) throw new NoexClientError('UNAUTHORIZED', 'getToken must return a token')
    } else if (typeof input === 'string') {
      return await request('auth.login', { token: input })
    } else if (username && password) {
      return await request('identity.login', { username, password })
    } else {
      throw new Error('getToken must return a token or { username, password }')
    }
  }

  const attempt = async (): Promise<void> => {
    cancel()
    isTrying = true
    let isLate = false
    let data: any
    let error: any
    try {
      data = await new Promise((resolve, reject) => {
        cancel = after(Math.min(connectTimeoutMs, expiresAt - serverNow()), () => {
          isLate = true
          reject(new Error('it takes too long'))
        })
        send(() => isLate || isOver).then(resolve, reject)
      })
    } catch (thrown: any) {
      // A server without logins.
      if (isRequired || thrown?.code !== 'UNKNOWN_OPERATION') error = thrown || new Error('no reason')
    }
    cancel()
    isTrying = false
    if (isOver) return
    if (error) failed(error)
    else done(data)
  }

  const arm = (): void => {
    if (isOver || isTrying) return
    cancel()
    const next = Math.min(renewAt, expiresAt)
    if (next < Infinity) {
      cancel = after(Math.min(Math.max(next - serverNow() + 1, 0), MAX_DELAY_MS), () => {
        const now = serverNow()
        if (now > expiresAt) onFailed({ error: problem })
        else if (now > renewAt) attempt()
        else arm()
      })
    }
  }

  const done = (data: any): void => {
    since = serverNow()
    const leftMs = data?.expiresAt - since
    // One that has ended already has not: its issuer's clock differs from the server's.
    expiresAt = renewAt = Infinity
    if (leftMs > 0) {
      expiresAt = since + leftMs
      renewAt = since + Math.max(leftMs - Math.min(leftMs / 4, AHEAD_MS * (1 + Math.random())), PAUSE_MS)
    }
    problem = undefined
    arm()
    if (!isFirst) return onProblem()
    isFirst = false
    onReady()
  }

  const failed = (thrown: any): void => {
    const code = thrown instanceof NoexClientError ? thrown.code : 'LOGIN_FAILED'
    const isFinal = !passing.test(code)
    const advice = isFinal ? 'log in anew, then call reconnect()' : 'it is tried again'
    const error = new NoexClientError(code, `The login has failed: ${messageOf(thrown)}: ${advice}`)
    const afterMs = delayOf(thrown.details?.retryAfterMs)
    if (isFirst || isFinal) return onFailed({ error, isFinal, afterMs })
    problem = error
    renewAt = serverNow() + afterMs + nextDelay()
    arm()
    onProblem(error)
  }

  attempt()
  return {
    arm,
    doubt: () => {
      renewAt = Math.min(renewAt, Math.max(since + DOUBT_MS, serverNow()))
      arm()
    },
    stop: () => {
      isOver = true
      cancel()
    }
  }
}
