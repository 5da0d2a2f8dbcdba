import type { IncomingMessage } from 'node:http'
import { types } from 'node:util'
import type { VerifyClientCallbackAsync, VerifyClientCallbackSync, WebSocketServer } from 'ws'
import { catchRejection, ignoreRejection, isThenable } from '../application/thenable.js'

const { isAsyncFunction, isGeneratorFunction } = types

/** The option `verifyClient` of a WebSocket server. */
type VerifyClient = (this: unknown, ...args: readonly unknown[]) => unknown

/** Number of parameters with which ws waits for a call of the second one; otherwise the result counts. */
const CALLBACK_PARAMETERS = 2

/**
 * Returns the problem of a `verifyClient`; `undefined` for a valid one. ws uses its result, and a promise or
 * a generator is truthy: every client would be accepted.
 */
export function verifyClientProblem (verifyClient: unknown): string | undefined {
  if (verifyClient === undefined || verifyClient === null) return undefined
  if (typeof verifyClient !== 'function') return 'must be a function'
  if (isGeneratorFunction(verifyClient)) return 'must not be a generator function: called, it does nothing'
  if (!isAsyncFunction(verifyClient) || verifyClient.length === CALLBACK_PARAMETERS) return undefined
  return 'must not be an async function: ws takes its promise for true and lets each client in. ' +
    'Take two parameters, (info, done), and call done(false) or done(true)'
}

/**
 * Makes the `verifyClient` of a WebSocket server refuse, among the upgrades for which `isOurs` returns
 * `true`, those for which it returns a promise instead of a boolean, or rejects before it has called its
 * callback. `onFault` is called with the problem. All other upgrades keep their answers.
 */
export function guardVerifyClient (
  server: WebSocketServer,
  isOurs: (request: IncomingMessage) => boolean,
  onFault: (problem: string, error?: unknown) => void
): void {
  const { options } = server
  const verify = options.verifyClient as VerifyClient | undefined
  if (typeof verify !== 'function') return
  const decide: VerifyClientCallbackSync = info => {
    const answer = verify.call(options, info)
    if (!isOurs(info.req) || !isPromise(answer)) return answer as boolean
    ignoreRejection(answer)
    onFault('has answered with a promise, which ws takes for true')
    return false
  }
  const decideLater: VerifyClientCallbackAsync = (info, done) => {
    let isAnswered = false
    const answer: typeof done = (...args) => {
      isAnswered = true
      done(...args)
    }
    const returned = verify.call(options, info, answer)
    if (!isOurs(info.req)) return
    catchRejection(returned, error => {
      onFault('has rejected', error)
      if (!isAnswered) answer(false, 503)
    })
  }
  // ws counts the parameters.
  options.verifyClient = verify.length === CALLBACK_PARAMETERS ? decideLater : decide
}

/** Returns whether an answer may be a promise; `true` for one that cannot be read. */
function isPromise (answer: unknown): boolean {
  try {
    return isThenable(answer)
  } catch {
    return true
  }
}
