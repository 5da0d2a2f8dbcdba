import type { Chain, Work } from './chain.js'

/** A place in a chain where foreign code runs: what that code asks of the engine belongs to the chain. */
export interface CallContext {
  readonly chain: Chain
  /** The level of the events that are sent here. */
  readonly level: number
  /** Whether what is asked for here still belongs to the chain. */
  readonly isOpen: boolean
  /** Does work as a part of the chain. */
  run: (work: Work) => Promise<void>
  /** Leaves the place, though its code has not ended: nothing of the chain waits for it any more. */
  detach: () => void
}

/**
 * The place of handlers of subscribers. Nobody waits for them, so what they ask for is done when the
 * event is done with, or whatever is at hand later on.
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

/** The place of a service. The chain waits for it, so what it asks for is done at once, one after the other. */
export class ServiceContext implements CallContext {
  readonly chain: Chain
  readonly level: number
  readonly #onLeave: () => void
  #isOpen = true
  #tail: Promise<void> | undefined

  /** `onLeave`: the service is not to be waited for any more. */
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

  /** Ends the place, and waits for what has been taken. */
  async close (): Promise<void> {
    this.#isOpen = false
    await this.#tail
  }
}
