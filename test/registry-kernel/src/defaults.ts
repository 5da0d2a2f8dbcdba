/**
 * The limits that hold where the caller names none. Times are milliseconds.
 */
export const DEFAULTS = {
  /** How long an asynchronous `init` may take. */
  INIT_TIMEOUT: 5000,
  /** How long a caller waits for the reply to a call. */
  CALL_TIMEOUT: 5000,
  /** How long a supervised server may take to stop before it is stopped by force. */
  SHUTDOWN_TIMEOUT: 5000,
  /** How many restarts a supervisor makes within `RESTART_WITHIN_MS` before it gives up. */
  MAX_RESTARTS: 3,
  /** The window in which restarts are counted. */
  RESTART_WITHIN_MS: 5000
} as const
