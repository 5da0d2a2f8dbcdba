import type { Chain, Work } from './chain.js'

/** A place in a chain where foreign code runs: what that code asks of the engine belongs to the chain. */
export interface Frame {
  readonly chain: Chain
  /** The level of the events that are sent here. */
  readonly level: number
  /** Whether what is asked for here still belongs to the chain. */
  readonly isOpen: boolean
  /** Does work as a part of the chain. */
  take: (work: Work) => Promise<void>
  /** Leaves the place, though its code has not ended: nothing of the chain waits for it any more. */
  leave: () => void
}

/**
 * The place of handlers of subscribers. Nobody waits for them, so what they ask for is done when the
 * event is done with, or whatever is at hand later on.
 */
export class HandlerFrame implements Frame {
  readonly chain: Chain
  readonly level: number

  constructor (chain: Chain, level: number) {
    this.chain = chain
    this.level = level
  }

  get isOpen (): boolean {
    return !this.chain.isFinished
  }

  take (work: Work): Promise<void> {
    return this.chain.later(work)
  }

  leave (): void {}
}

/** The place of a service. The chain waits for it, so what it asks for is done at once, one after the other. */
export class ServiceFrame implements Frame {
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

  take (work: Work): Promise<void> {
    this.#tail = (this.#tail ?? Promise.resolve()).then(work)
    return this.#tail
  }

  leave (): void {
    this.#isOpen = false
    this.#onLeave()
  }

  /** Ends the place, and waits for what has been taken. */
  async close (): Promise<void> {
    this.#isOpen = false
    await this.#tail
  }
}
