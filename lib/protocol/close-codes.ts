/**
 * What ends a connection. (What answers a request is in errors.ts.)
 * `comeBack` says whether the client should connect again. PROTOCOL.md, "Close codes".
 */
export interface CloseReason {
  readonly code: number
  /** Sent with the close frame; at most 123 bytes. */
  readonly reason: string
  readonly comeBack: boolean
}

/** Every close that this server starts itself. The WebSocket layer adds 1002, 1007, 1008 and 1009. */
export const closeReasons = {
  /** The server stops: sent to whoever is still connected when the grace period ends. */
  serverShutdown: { code: 1000, reason: 'server_shutdown', comeBack: true },
  /** The client sent a binary frame. */
  binaryNotSupported: { code: 1003, reason: 'binary_not_supported', comeBack: false },
  /** Nobody has logged in within `loginTimeoutMs`. */
  loginTimeout: { code: 1008, reason: 'login_timeout', comeBack: true },
  /** Too much waits of clients that have yet to log in, and this one sent more before it was answered. */
  overloaded: { code: 1013, reason: 'overloaded', comeBack: true },
  /** The client did not read what was sent to it for too long. */
  slowConsumer: { code: 1013, reason: 'slow_consumer', comeBack: true },
  /** The client did not answer a ping in time. */
  heartbeatTimeout: { code: 4001, reason: 'heartbeat_timeout', comeBack: true },
  /** The client's user is revoked, disabled or deleted; a `session_revoked` message went before. */
  sessionRevoked: { code: 4002, reason: 'session_revoked', comeBack: false },
  /** The client's address has `maxConnectionsPerIp` connections already. */
  tooManyConnections: { code: 4003, reason: 'too_many_connections', comeBack: false }
} as const satisfies Record<string, CloseReason>

/** Time that a client has to answer our close frame before its socket is ended, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 800

/** The reason that a client is told before its connection is closed with `session_revoked`. */
export const REVOKED_REASON = 'Session revoked by administrator'
