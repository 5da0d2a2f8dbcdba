import type { Origin, Session } from '../protocol/session.js'
import type { Log } from '../util/log.js'
import type { Caller } from '../permissions/authorizer.js'
import type { QuerySubscriptions } from '../subscriptions/query-subscriptions.js'
import type { EventSubscriptions } from '../subscriptions/event-subscriptions.js'

/** Whose rights a deputy has. */
export interface Impersonation {
  /** `undefined`: no user's. */
  readonly session: Session | undefined
  /** Throws when the rights may not be used any more. */
  readonly confirm: () => void
}

/**
 * Asks the gate with other rights than its own, on the connection of the client that has called a procedure.
 */
export class ImpersonatedPrincipal implements Caller {
  readonly answering = undefined
  readonly #caller: Caller
  readonly #impersonation: Impersonation
  #asked = 0

  constructor (caller: Caller, impersonation: Impersonation) {
    this.#caller = caller
    this.#impersonation = impersonation
  }

  get id (): string {
    return this.#caller.id
  }

  get origin (): Origin {
    return this.#caller.origin
  }

  get log (): Log {
    return this.#caller.log
  }

  get open (): boolean {
    return this.#caller.open
  }

  get session (): Session | undefined {
    return this.#impersonation.session
  }

  get subscriptions (): QuerySubscriptions {
    return this.#caller.subscriptions
  }

  get eventSubscriptions (): EventSubscriptions {
    return this.#caller.eventSubscriptions
  }

  get writing (): Promise<unknown> | undefined {
    return this.#caller.writing
  }

  set writing (writing: Promise<unknown> | undefined) {
    this.#caller.writing = writing
  }

  /** Nobody tells when the rights change, so they are asked for each time. */
  get version (): number {
    return this.#asked++
  }

  checkExpiry (): void {
    this.#impersonation.confirm()
  }

  consumeExpiryNotice (): boolean {
    return false
  }

  async confirm (): Promise<void> {}

  logIn (): void {}

  logOut (): void {}
}
