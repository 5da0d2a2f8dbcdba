import type { TerminateReason } from './behavior.js'
import { DEFAULTS } from './defaults.js'
import type { GenServerRef } from './ref.js'
import type { StopListener } from './server.js'
import { findServer } from './server-table.js'
import { startUnrefTimer } from './unref-timer.js'

/** When a child that ended by itself is started again: always, only after an error, or never. */
export type ChildRestartStrategy = 'permanent' | 'transient' | 'temporary'

/** The description of a child to start. */
export interface ChildSpec {
  /** Unique among the children of the supervisor. */
  readonly id: string
  /** Starts the server; called again for every restart. */
  readonly start: () => Promise<GenServerRef>
  /** Defaults to `permanent`. */
  readonly restart?: ChildRestartStrategy
  /** Milliseconds that the child may take to stop before it is stopped by force. Defaults to 5000. */
  readonly shutdownTimeout?: number
}

/**
 * One child of a supervisor: the server that runs now, and the one that replaces it.
 */
export class Child {
  readonly spec: ChildSpec
  #ref: GenServerRef | undefined
  #starting: Promise<GenServerRef> | undefined
  #retirement: Promise<void> | undefined
  #isRetired = false
  #unwatch: (() => void) | undefined
  #starts = 0

  constructor (spec: ChildSpec) {
    this.spec = spec
  }

  /** The current server; `undefined` before the first start. */
  get ref (): GenServerRef | undefined {
    return this.#ref
  }

  /** How often the child was started again. */
  get restartCount (): number {
    return Math.max(0, this.#starts - 1)
  }

  /** True while the current server runs. */
  get isUp (): boolean {
    return this.#ref !== undefined && findServer(this.#ref) !== undefined
  }

  /** True once the child is to stay down. */
  get isRetired (): boolean {
    return this.#isRetired
  }

  /**
   * Starts the server, and has `onEnd` told when it ends without having been stopped through here.
   * Rejects with what `spec.start` throws, or when the child was retired meanwhile.
   */
  start (onEnd: StopListener): Promise<GenServerRef> {
    this.#starting = this.#start(onEnd)
    return this.#starting
  }

  /** Stops the server; by force after `shutdownTimeout`. Never rejects. */
  async stop (reason: TerminateReason): Promise<void> {
    if (this.#starting !== undefined) await settled(this.#starting, this.#limitMs)
    this.#unwatch?.()
    await this.#shutDown(reason)
  }

  /** Stops the server for good. Never rejects; a repeated call shares the outcome of the first. */
  retire (reason: TerminateReason): Promise<void> {
    this.#isRetired = true
    this.#retirement ??= this.stop(reason)
    return this.#retirement
  }

  async #start (onEnd: StopListener): Promise<GenServerRef> {
    try {
      const ref = await this.spec.start()
      this.#ref = ref
      this.#starts++
      if (this.isRetired) {
        await this.#shutDown('shutdown')
        throw new Error(`Child "${this.spec.id}" was terminated while it was starting`)
      }
      this.#unwatch = findServer(ref)?.onStop(onEnd)
      return ref
    } finally {
      this.#starting = undefined
    }
  }

  async #shutDown (reason: TerminateReason): Promise<void> {
    const server = this.#ref === undefined ? undefined : findServer(this.#ref)
    if (server === undefined) return
    const stopped = server.stop(reason)
    // An idle server without asynchronous clean-up has stopped already.
    const timer = this.isUp ? startUnrefTimer(() => server.kill(reason), this.#limitMs) : undefined
    try {
      await stopped
    } catch {
      // What terminate throws is no reason to keep the child: it was to go, and it is gone.
    } finally {
      clearTimeout(timer)
    }
  }

  get #limitMs (): number {
    return this.spec.shutdownTimeout ?? DEFAULTS.SHUTDOWN_TIMEOUT
  }
}

/** Resolves when `promise` has settled, and at the latest after `limitMs` milliseconds. */
function settled (promise: Promise<unknown>, limitMs: number): Promise<void> {
  return new Promise(resolve => {
    const timer = startUnrefTimer(resolve, limitMs)
    const onSettled = () => {
      clearTimeout(timer)
      resolve()
    }
    promise.then(onSettled, onSettled)
  })
}
