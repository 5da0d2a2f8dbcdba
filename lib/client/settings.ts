import type { NextDelay } from './backoff.js'
import type { Environment } from './environment.js'
import type { OpenTransport } from './transport.js'
import type { LoginInput } from './types.js'

/** The parameters of a connection that is kept up. Times are in milliseconds. */
export interface ConnectionSettings {
  readonly open: OpenTransport
  /** Where it goes, for messages. */
  readonly place: string
  readonly getToken?: (() => LoginInput | Promise<LoginInput>) | undefined
  /** Whether it is ready without a login though the server wants one: the application sends it. */
  readonly isLoginManual?: boolean
  /** Time of silence after which a connection is tested. @default what the server says */
  readonly heartbeatMs?: number | undefined
  /** Time for the welcome, and for a login. */
  readonly connectTimeoutMs: number
  /** Bounds of the delay between two attempts to renew a session. */
  readonly minDelayMs: number
  readonly maxDelayMs: number
  /** Delays between two attempts to connect. */
  readonly nextDelay: NextDelay
  /** Called before an attempt over what may be another network. */
  readonly onNetwork?: () => void
  readonly environment: Environment
}
