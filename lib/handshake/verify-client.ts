import type { IncomingMessage } from 'node:http'
import { types } from 'node:util'
import type { VerifyClientCallbackAsync, VerifyClientCallbackSync, WebSocketServer } from 'ws'
import { catchRejection, ignoreRejection, isThenable } from '../application/thenable.js'

const { isAsyncFunction, isGeneratorFunction } = types

/** The option `verifyClient` of a WebSocket server, as ws calls it. */
type VerifyClient = (this: unknown, ...args: readonly unknown[]) => unknown

/** Parameters with which ws waits for the second one, a function, to be called; else the result counts. */
const WAITING_PARAMETERS = 2

/**
 * Says what is wrong with a `verifyClient`; `undefined` when nothing is. ws takes its result for the answer,
 * and a promise or a generator is as true as an object can be: each client would be let in.
 */
export function verifyClientProblem (verifyClient: unknown): string | undefined {
  if (verifyClient === undefined || verifyClient === null) return undefined
  if (typeof verifyClient !== 'function') return 'must be a function'
  if (isGeneratorFunction(verifyClient)) return 'must not be a generator function: called, it does nothing'
  if (!isAsyncFunction(verifyClient) || verifyClient.length === WAITING_PARAMETERS) return undefined
  return 'must not be an async function: ws takes its promise for true and lets each client in. ' +
    'Take two parameters, (info, done), and call done(false) or done(true)'
}

/**
 * Has the `verifyClient` of a WebSocket server refuse what it cannot decide, among the upgrades for which
 * `isOurs` holds: with a promise in place of the answer, or when it rejects before it has called its second
 * parameter. `onFault` gets a text that says which. All other upgrades keep their answers.
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
  options.verifyClient = verify.length === WAITING_PARAMETERS ? decideLater : decide
}

/** Whether an answer may be a promise; one that cannot be looked at is none that lets a client in either. */
function isPromise (answer: unknown): boolean {
  try {
    return isThenable(answer)
  } catch {
    return true
  }
}
