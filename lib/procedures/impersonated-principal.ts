import type { Principal } from '../permissions/principal.js'
import type { Session } from '../protocol/session.js'
import type { Presence } from '../store/presence.js'

/** The rights that replace those of the caller. */
export interface Impersonation {
  /** `undefined` for the rights of no user. */
  readonly session: Session | undefined
  /** @throws when the rights may not be used any more */
  readonly confirm: () => void
}

/** A principal with the rights of another user, open as long as the client that called the procedure. */
export class ImpersonatedPrincipal implements Principal {
  readonly #caller: Principal
  readonly #impersonation: Impersonation
  #version = 0

  constructor (caller: Principal, impersonation: Impersonation) {
    this.#caller = caller
    this.#impersonation = impersonation
  }

  get session (): Session | undefined {
    return this.#impersonation.session
  }

  get presence (): Presence {
    return this.#caller.presence
  }

  /** Changes with each call: nothing reports when the rights change, so they are checked each time. */
  get version (): number {
    return this.#version++
  }

  get isOpen (): boolean {
    return this.#caller.isOpen
  }

  checkExpiry (): boolean {
    this.#impersonation.confirm()
    return false
  }
}
