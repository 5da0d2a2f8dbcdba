/** Whether a request that failed has been carried out: `unknown` where no reply has come. */
export type Outcome = 'not-done' | 'unknown'

/** An error of the client: one that the server has answered with, or that prevents an answer. */
export class NoexClientError extends Error {
  override name = 'NoexClientError'
  /**
   * An error code of PROTOCOL.md, or one of the client: `TIMEOUT`, `DISCONNECTED`, `ABORTED`, `REFUSED`,
   * `LOGIN_FAILED`, `LOGGED_OUT`, `OTHER_USER`, `SESSION_ENDED`, `PAYLOAD_TOO_LARGE`, `UNSUPPORTED`,
   * `PROTOCOL_ERROR`.
   */
  readonly code: string
  /** The `details` of the server's error, where it has some. */
  readonly details: unknown

  constructor (code: string, message: string, details?: unknown) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** The reply has not come in time. */
export class TimeoutError extends NoexClientError {
  override name = 'TimeoutError'
  readonly outcome: Outcome

  constructor (message: string, outcome: Outcome) {
    super('TIMEOUT', message)
    this.outcome = outcome
  }
}

/** There is no connection, or it has ended before the reply came. */
export class DisconnectedError extends NoexClientError {
  override name = 'DisconnectedError'
  /** `not-done`: the request was never sent. */
  readonly outcome: Outcome

  constructor (message: string, outcome: Outcome) {
    super('DISCONNECTED', message)
    this.outcome = outcome
  }
}
