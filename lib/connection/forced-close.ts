import type { Operation } from '../operations/operation.js'
import { closeReasons, type CloseReason } from '../protocol/close-codes.js'
import type { NoticeMessage } from '../protocol/messages.js'

/** The connection that is to be closed. */
interface ForcedCloseOwner {
  readonly isOpen: boolean
  readonly answering: Operation | undefined
  readonly principal: { readonly end: () => void }
  readonly flow: { readonly afterReplies: (work: () => void) => void }
  notify: (message: NoticeMessage) => void
  close: (reason: CloseReason) => void
  /** Records the close, unless it has been, or `isRecorded` says that another entry tells of it. */
  recordClose: (reason: CloseReason, isRecorded: boolean) => void
}

/** How an operator has a connection closed. */
export interface OperatorClose {
  /** Told to the client. */
  readonly text: string | undefined
  /** Whether the audit has an entry for it. */
  readonly isRecorded: boolean
  /** Whether the client itself has asked for it. */
  readonly afterReply: boolean
}

/**
 * Closes a connection although its client has done nothing wrong: its session is revoked, or an operator says
 * so. Nothing that arrives afterwards is executed. A client that has asked for it receives the reply first.
 */
export class ForcedClose {
  readonly #owner: ForcedCloseOwner
  #isRevoked = false
  /** Whether it closes when the client's own request is answered. */
  #isLeaving = false

  constructor (owner: ForcedCloseOwner) {
    this.#owner = owner
  }

  /** Whether no more requests are executed. */
  get hasBegun (): boolean {
    return this.#isRevoked || this.#isLeaving
  }

  get isRevoked (): boolean {
    return this.#isRevoked
  }

  /** Ends the session with its subscriptions at once, and closes with `session_revoked`. */
  revoke (reason: string): void {
    if (!this.endSession(false)) return
    const level = this.#owner.answering?.accessLevel
    // A user who disables the own account receives the reply first.
    this.closeRevoked(reason, level === 'admin' || level === 'superadmin')
  }

  /** Ends the session. Returns whether it was not revoked before; `closeRevoked` must follow then. */
  endSession (isRecorded: boolean): boolean {
    const owner = this.#owner
    if (!owner.isOpen || this.#isRevoked) return false
    this.#isRevoked = true
    owner.recordClose(closeReasons.sessionRevoked, isRecorded)
    if (!owner.isOpen) return false
    owner.principal.end()
    return true
  }

  /** Tells a client whose session has ended so, and closes; with `afterReply` when it is answered. */
  closeRevoked (reason: string, afterReply: boolean): void {
    const notice = { type: 'system', event: 'session_revoked', reason } as const
    this.#closeWith(closeReasons.sessionRevoked, notice, afterReply)
  }

  /** Closes for an operator. Returns whether the connection was not about to close. */
  closeByOperator ({ text, isRecorded, afterReply }: OperatorClose): boolean {
    const owner = this.#owner
    if (!owner.isOpen || this.hasBegun) return false
    owner.recordClose(closeReasons.closedByOperator, isRecorded)
    const notice = text === undefined
      ? undefined
      : { type: 'system', event: 'closed_by_operator', reason: text } as const
    this.#closeWith(closeReasons.closedByOperator, notice, afterReply)
    return true
  }

  #closeWith (reason: CloseReason, notice: NoticeMessage | undefined, afterReply: boolean): void {
    const owner = this.#owner
    const close = (): void => {
      if (notice !== undefined) owner.notify(notice)
      owner.close(reason)
    }
    if (!afterReply) {
      close()
      return
    }
    this.#isLeaving = true
    owner.flow.afterReplies(close)
  }
}
