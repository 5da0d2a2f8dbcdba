// The exports of `@hamicek/noex-server` beside its server, under the names that they have there.
import type { AuthOptions, BuiltInAuth, RevocationOptions } from '../auth/auth-options.js'
import type { Tier } from '../permissions/policy.js'
import { isBuiltInRole, includesTier, tierOf } from '../permissions/rule-policy.js'
import type { AuditOptions } from '../audit/audit-options.js'
import type { AuditFilter } from '../audit/ring.js'
import type { ConnectionInfo, ServerStats } from '../operations/server-info.js'
import type { BackpressureOptions, HeartbeatOptions } from '../connection/connection-options.js'
import type { ConnectionLimitsOptions } from '../limits/limit-options.js'
import type { RateLimitOptions } from '../limits/rate-limit-options.js'
import { operations } from '../operations/registry.js'
import type { ProcedureOptions } from '../procedures/procedure-options.js'
import type {
  NoticeMessage, PingMessage, PongMessage, PushMessage, ReplyMessage, RequestMessage
} from '../protocol/messages.js'

export type {
  ErrorResponse, PushMessage, SuccessResponse, SystemMessage, WelcomeMessage
} from '../protocol/messages.js'

/** The option `auth`. */
export type AuthConfig = AuthOptions
/** The option `auth` with accounts in the store. */
export type BuiltInAuthConfig = BuiltInAuth
/** The option `rateLimit`. */
export type RateLimitConfig = RateLimitOptions
/** The option `heartbeat`. */
export type HeartbeatConfig = HeartbeatOptions
/** The option `backpressure`. */
export type BackpressureConfig = BackpressureOptions
/** The option `connectionLimits`. */
export type ConnectionLimitsConfig = ConnectionLimitsOptions
/** The option `audit`. */
export type AuditConfig = AuditOptions
/** The members of the operation `audit.query`. */
export type AuditQuery = AuditFilter
/** The option `revocation`. */
export type RevocationConfig = RevocationOptions
/** A user who may not log in for a while. A type only: no function returns one. */
export interface RevokedEntry {
  readonly userId: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}
/** The option `procedures`. */
export type ProceduresConfig = ProcedureOptions
/** The member `connections` of the statistics. */
export type ConnectionsStats = ServerStats['connections']
/** One connection, as `getConnections()` returns it. */
export type ConnectionMetadata = ConnectionInfo
/** The tier of an operation. PROTOCOL.md, "Tiers". */
export type OperationTier = Tier

/** A message of a client that asks for a reply. */
export type ClientRequest = RequestMessage
/** A message of the heartbeat from the server. */
export type HeartbeatPing = PingMessage
/** The answer of a client to it. */
export type HeartbeatPong = PongMessage
/** Every message that a client sends. */
export type ClientMessage = RequestMessage | PongMessage
/** Every message that the server sends. */
export type ServerMessage = NoticeMessage | ReplyMessage | PushMessage

/** Whether the option `auth` is the one with accounts in the store. */
export function isBuiltInAuth (auth: AuthOptions): auth is BuiltInAuth {
  return (auth as { builtIn?: unknown }).builtIn === true
}

/**
 * Returns the tier of an operation; `undefined` for one that has none, such as `auth.whoami`, and for an
 * unknown name.
 */
export function getOperationTier (type: string): OperationTier | undefined {
  return operations.get(type)?.tier
}

/**
 * Whether the built-in roles among `roles` allow operations of a tier. Roles of the application have no tier:
 * without a built-in role the result is `true`, and `permissions` decide.
 */
export function hasAccessForTier (roles: readonly string[], tier: OperationTier): boolean {
  const own = tierOf(roles)
  return own === undefined || includesTier(own, tier)
}

/** Whether a role is one of `reader`, `writer` and `admin`, which have a tier. */
export function isBuiltinRole (role: string): boolean {
  return isBuiltInRole(role)
}
