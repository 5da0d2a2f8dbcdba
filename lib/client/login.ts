import { backoff } from './backoff.js'
import { delayOf, LOG_IN, type Ending } from './ending.js'
import { NoexClientError } from './errors.js'
import type { Link } from './link.js'
import { messageOf, none } from './report.js'
import type { ConnectionSettings } from './settings.js'

/** The connection that logs in. */
export interface LoginHost {
  /** Whether there is nothing to do without a login. */
  readonly isRequired: boolean
  readonly request: (type: string, members: object) => Promise<any>
  /** Returns the time of the server, epoch milliseconds: that of the client may be wrong. */
  readonly serverNow: () => number
  /** Called at each login, with the reply to it; with `undefined` where none is needed. */
  readonly onUser: (reply: any) => void
  /** Called once, when the client is logged in or need not be. */
  readonly onReady: () => void
  /** Called when a renewal has failed and the session goes on; without an error when one has succeeded. */
  readonly onProblem: (error?: NoexClientError) => void
  /** Called when there is no session. */
  readonly onFailed: (ending: Ending) => void
}

/** The session of one connection. */
export interface Login {
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
const passing = /^(RATE|INTERNAL|BACK|LOGIN)/

const wanted = 'getToken must return a token or { username, password }'

/** Logs in, and again before the session ends. */
export function logIn (
  { environment: { now, after }, getToken, connectTimeoutMs, minDelayMs, maxDelayMs }: ConnectionSettings,
  { isRequired, request, serverNow, onUser, onReady, onProblem, onFailed }: LoginHost
): Login {
  const nextDelay = backoff(minDelayMs, maxDelayMs)
  let isReady = false
  let isOver = false
  let isTrying = false
  let cancel = none
  // Times of our clock.
  let since = 0
  let endsAt = Infinity

  /** Resolves with the reply, with `undefined` where there is no login. */
  const send = async (isLate: () => boolean): Promise<any> => {
    const input: any = await getToken?.()
    // Neither a token nor a password is sent when it is not waited for any more.
    if (isLate()) return
    const { username, password } = Object(input)
    if (!input && isReady) throw new Error(wanted)
    if (!input && !isRequired) return
    if (input && typeof input === 'string') {
      return await request('auth.login', { token: input, sessionNotice: true })
    }
    if (typeof username === 'string' && typeof password === 'string') {
      return await request('identity.login', { username, password, sessionNotice: true })
    }
    const problem = getToken ? wanted : `the server wants a login, and there is no option getToken: ${wanted}`
    throw new NoexClientError('UNAUTHORIZED', problem)
  }

  const attempt = async (): Promise<void> => {
    isTrying = true
    since = now()
    let isLate = false
    let data: any
    let error: any
    cancel()
    try {
      data = await new Promise((resolve, reject) => {
        cancel = after(Math.min(connectTimeoutMs, endsAt - now()), () => {
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
    if (error) return failed(error)
    const leftMs = data?.expiresAt - serverNow()
    endsAt = Infinity
    // One that has ended already has not: its issuer's clock differs from the server's.
    if (leftMs > 0) {
      endsAt = now() + leftMs
      const aheadMs = Math.min(leftMs / 4, AHEAD_MS * (1 + Math.random()))
      cancel = after(Math.max(leftMs - aheadMs, PAUSE_MS), attempt)
    }
    onUser(data)
    if (isReady) return onProblem()
    isReady = true
    onReady()
  }

  const failed = (thrown: any): void => {
    const code = thrown instanceof NoexClientError ? thrown.code : 'LOGIN_FAILED'
    const isFinal = !passing.test(code)
    const advice = !isFinal
      ? 'it is tried again'
      : code === 'UNKNOWN_OPERATION' ? `${wanted}, as this server takes it` : LOG_IN
    const error = new NoexClientError(code, `The login has failed: ${messageOf(thrown)}: ${advice}`)
    const afterMs = delayOf(thrown.details?.retryAfterMs)
    if (!isReady || isFinal) return onFailed({ error, isFinal, afterMs })
    cancel = after(Math.min(afterMs + nextDelay(), endsAt - now()), () => {
      if (now() < endsAt) attempt()
      else onFailed({ error })
    })
    onProblem(error)
  }

  attempt()
  return {
    doubt: () => { if (!isTrying && now() - since > DOUBT_MS) attempt() },
    stop: () => {
      isOver = true
      cancel()
    }
  }
}

/** A connection on which the application itself logs in or out. */
interface LoggedIn extends Pick<Link, 'ask'> {
  readonly state: { readonly value: string }
  readonly reconnect: () => void
}

/**
 * Settles who is logged in, after a login or a logout whose answer is not known: the first one begins anew,
 * the second one is done again. `leave` ends the connection of a user who has logged out.
 */
export function onGivenUp (
  { state, reconnect, ask }: LoggedIn, isLogin: boolean, { code }: NoexClientError, leave: () => void
): void {
  if (!/^(ABORTED|TIMEOUT|DISCONNECTED)$/.test(code) || state.value === 'refused') return
  if (isLogin) reconnect()
  else ask('auth.logout', {}, leave, leave)
}
