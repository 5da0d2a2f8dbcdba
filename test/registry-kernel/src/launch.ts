import type { GenServerBehavior } from './behavior.js'
import { DEFAULTS } from './defaults.js'
import { InitializationError, toError } from './errors.js'
import { nextId } from './ref.js'
import { Server } from './server.js'
import { addServer, assignName, cancelReservation, reserveName } from './server-table.js'
import { isThenable } from './thenable.js'
import { startUnrefTimer } from './unref-timer.js'

/** How a server is started. */
export interface StartOptions {
  /** A name that no other running server of this process has. */
  readonly name?: string
  /** Milliseconds that an asynchronous `init` may take. Defaults to 5000. */
  readonly initTimeout?: number
}

/**
 * Runs a behavior's `init` and makes the running server.
 * The name is taken before `init` runs; a start that fails leaves neither name nor server behind.
 */
export async function launch<State, Call, Cast, Reply> (
  kind: string,
  behavior: GenServerBehavior<State, Call, Cast, Reply>,
  { name, initTimeout = DEFAULTS.INIT_TIMEOUT }: StartOptions
): Promise<Server<State, Call, Cast, Reply>> {
  const id = nextId(kind)
  if (name !== undefined) reserveName(name)
  try {
    const server = new Server(id, behavior, await initialize(id, behavior, initTimeout))
    addServer(server)
    if (name !== undefined) {
      cancelReservation(name)
      assignName(name, { id })
    }
    return server
  } catch (error) {
    if (name !== undefined) cancelReservation(name)
    throw error
  }
}

async function initialize<State> (
  id: string,
  behavior: Pick<GenServerBehavior<State, never, never, unknown>, 'init'>,
  timeoutMs: number
): Promise<State> {
  try {
    const outcome = behavior.init()
    return isThenable(outcome) ? await within(timeoutMs, outcome) : outcome
  } catch (error) {
    throw new InitializationError(id, toError(error))
  }
}

function within<T> (timeoutMs: number, outcome: PromiseLike<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = startUnrefTimer(() => {
      reject(new Error(`init did not finish within ${timeoutMs} ms`))
    }, timeoutMs)
    outcome.then(resolve, reject).then(() => clearTimeout(timer))
  })
}
