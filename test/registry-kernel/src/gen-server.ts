import type { GenServerBehavior, TerminateReason } from './behavior.js'
import { DEFAULTS } from './defaults.js'
import { ServerNotRunningError } from './errors.js'
import { launch, type StartOptions } from './launch.js'
import type { GenServerRef } from './ref.js'
import { findServer } from './server-table.js'

/** How a call is made. */
export interface CallOptions {
  /** Milliseconds to wait for the reply; `Infinity` waits for ever. Defaults to 5000. */
  readonly timeout?: number
}

/** The result of a call. */
export type CallResult<Reply> = Reply

/** Servers: one state, one mailbox, one handler at a time. */
export const GenServer = { start, call, cast, stop, isRunning }

/**
 * Starts a server and gives its ref.
 *
 * Rejects with `AlreadyRegisteredError` when the name is taken, and with `InitializationError` when
 * `init` throws, rejects or takes too long.
 */
async function start<State, Call, Cast, Reply> (
  behavior: GenServerBehavior<State, Call, Cast, Reply>,
  options: StartOptions = {}
): Promise<GenServerRef<State, Call, Cast, Reply>> {
  const server = await launch('server', behavior, options)
  return { id: server.id }
}

/**
 * Sends a message and gives the reply.
 *
 * Messages are handled in the order in which they are sent; on an idle server the handler begins
 * before this returns. Rejects with the very error that the handler threw, with
 * `ServerNotRunningError`, or with `CallTimeoutError`. A call that timed out in the queue is never
 * handled; one whose handler had begun still takes effect. A handler that awaits a call to its own
 * server waits for itself, and so times out.
 */
function call<Call, Reply> (
  ref: GenServerRef<unknown, Call, unknown, Reply>,
  msg: NoInfer<Call>,
  options?: CallOptions
): Promise<Reply> {
  const server = findServer(ref)
  if (server === undefined) return Promise.reject(new ServerNotRunningError(ref.id))
  return server.call(msg, options?.timeout ?? DEFAULTS.CALL_TIMEOUT) as Promise<Reply>
}

/**
 * Sends a message that is not answered.
 *
 * Throws `ServerNotRunningError`. What the handler throws is dropped, and so is a message that is
 * still queued when the server stops.
 */
function cast<Cast> (ref: GenServerRef<unknown, unknown, Cast>, msg: NoInfer<Cast>): void {
  const server = findServer(ref)
  if (server === undefined) throw new ServerNotRunningError(ref.id)
  server.cast(msg)
}

/**
 * Stops a server after the messages that were sent before.
 *
 * When the promise settles, the ref is not running and its names are free. Calls queued behind the
 * stop reject with `ServerNotRunningError`. A server that has stopped is fine. Rejects with what
 * `terminate` throws; the server has stopped all the same. A handler that awaits the stop of its own
 * server waits for ever.
 */
function stop (ref: GenServerRef, reason: TerminateReason = 'normal'): Promise<void> {
  return findServer(ref)?.stop(reason) ?? Promise.resolve()
}

/** Tells whether a server has started and not yet begun to stop. */
function isRunning (ref: GenServerRef): boolean {
  return findServer(ref)?.isRunning ?? false
}
