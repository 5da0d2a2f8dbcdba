import type { Chain, Work } from './chain.js'

/** The context of code of the application in a chain: its requests to the engine belong to the chain. */
export interface CallContext {
  readonly chain: Chain
  /** The level of events that are sent in this context. */
  readonly level: number
  /** Whether requests in this context still belong to the chain. */
  readonly isOpen: boolean
  /** Runs work as a part of the chain. */
  run: (work: Work) => Promise<void>
  /** Detaches code that has not ended: the chain no longer waits for it. */
  detach: () => void
}

/**
 * The context of the handlers of subscribers. The chain does not wait for them, so their requests are
 * deferred until the current event has been processed.
 */
export class SubscriberContext implements CallContext {
  readonly chain: Chain
  readonly level: number

  constructor (chain: Chain, level: number) {
    this.chain = chain
    this.level = level
  }

  get isOpen (): boolean {
    return !this.chain.isFinished
  }

  run (work: Work): Promise<void> {
    return this.chain.defer(work)
  }

  detach (): void {}
}

/**
 * The context of a service. The chain waits for it, so its requests are processed at once, one after the
 * other.
 */
export class ServiceContext implements CallContext {
  readonly chain: Chain
  readonly level: number
  readonly #onLeave: () => void
  #isOpen = true
  #tail: Promise<void> | undefined

  /** `onLeave` is called when the chain no longer waits for the service. */
  constructor (chain: Chain, level: number, onLeave: () => void) {
    this.chain = chain
    this.level = level
    this.#onLeave = onLeave
  }

  get isOpen (): boolean {
    return this.#isOpen
  }

  run (work: Work): Promise<void> {
    this.#tail = (this.#tail ?? Promise.resolve()).then(work)
    return this.#tail
  }

  detach (): void {
    this.#isOpen = false
    this.#onLeave()
  }

  /** Closes the context, and waits for the work that it has accepted. */
  async close (): Promise<void> {
    this.#isOpen = false
    await this.#tail
  }
}
