import type { TerminateReason } from './behavior.js'

/** A call that waits for its turn, or for its asynchronous handler. */
export interface CallMessage<Call, Reply> {
  readonly kind: 'call'
  readonly msg: Call
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
  readonly timeoutMs: number
  /** When the caller stops waiting, on the clock of `performance.now()`. */
  readonly deadline: number
}

/** A message without a reply. */
export interface CastMessage<Cast> {
  readonly kind: 'cast'
  readonly msg: Cast
}

/** The request to stop, which takes its turn like any message. */
export interface StopMessage {
  readonly kind: 'stop'
  readonly reason: TerminateReason
}

/** A message in the mailbox of a server. */
export type Message<Call, Cast, Reply> = CallMessage<Call, Reply> | CastMessage<Cast> | StopMessage
