/**
 * A reason for which the server ends a connection; errors.ts has those that answer a request.
 * `comeBack` says whether the client should connect again. PROTOCOL.md, "Close codes".
 */
export interface CloseReason {
  readonly code: number
  /** Sent with the close frame; at most 123 bytes. */
  readonly reason: string
  /** Whether the client should connect again. */
  readonly comeBack: boolean
}

/** All closes by this server itself. The WebSocket layer adds 1002, 1007, 1008 and 1009. */
export const closeReasons = {
  /** The server stops: sent to each client that is still connected when the grace period ends. */
  serverShutdown: { code: 1000, reason: 'server_shutdown', comeBack: true },
  /** The client sent a binary frame. */
  binaryNotSupported: { code: 1003, reason: 'binary_not_supported', comeBack: false },
  /** The client has not logged in within `loginTimeoutMs`. */
  loginTimeout: { code: 1008, reason: 'login_timeout', comeBack: true },
  /** The session of a client that watches one query over HTTP has ended: it cannot log in anew. */
  sessionEnded: { code: 1008, reason: 'session_ended', comeBack: false },
  /** Too many requests wait of clients that have not logged in, and this client sent more before a reply. */
  overloaded: { code: 1013, reason: 'overloaded', comeBack: true },
  /** The client did not read its messages for too long. */
  slowConsumer: { code: 1013, reason: 'slow_consumer', comeBack: true },
  /** The client did not answer a ping in time. */
  heartbeatTimeout: { code: 4001, reason: 'heartbeat_timeout', comeBack: true },
  /** The user is revoked, disabled or deleted; a `session_revoked` message was sent before. */
  sessionRevoked: { code: 4002, reason: 'session_revoked', comeBack: false },
  /** The address of the client has `maxConnectionsPerIp` connections already. */
  tooManyConnections: { code: 4003, reason: 'too_many_connections', comeBack: false },
  /** An operator has closed this connection alone, by `server.close`. */
  closedByOperator: { code: 4004, reason: 'closed_by_operator', comeBack: true }
} as const satisfies Record<string, CloseReason>

/**
 * Why a connection has ended: the reason of a close that the server began, or `client`: the client began it,
 * `lost`: it, or the network, has gone without a close, `failed`: it broke RFC 6455.
 */
export type CloseCause =
  (typeof closeReasons)[keyof typeof closeReasons]['reason'] | 'client' | 'lost' | 'failed'

export const closeCauses: readonly CloseCause[] = [
  ...Object.values(closeReasons).map(({ reason }) => reason),
  'client',
  'lost',
  'failed'
]

/** The code of `ws` for the end of a socket without a close frame. */
const LOST = 1006

/**
 * Returns the cause of a close that the server began, or of a socket that has ended by itself with a code.
 */
export function closeCauseOf (ending: string | number): CloseCause {
  if (typeof ending === 'string') return ending as CloseCause
  return ending === LOST ? 'lost' : 'client'
}

/** Time that a client has to answer our close frame before its socket is ended, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 800

/** The reason that a client is told before its connection is closed with `session_revoked`. */
export const REVOKED_REASON = 'Session revoked by administrator'
