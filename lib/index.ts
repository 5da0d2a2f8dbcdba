export { noexPlugin, noexPlugin as default } from './plugin.js'
export { jwtAuth, type JwtAuthOptions } from './access/jwt.js'
export type { AuthOptions, BuiltInAuth, ExternalAuth, GatewayAuth } from './access/auth-options.js'
export type { AuditLogLevel, AuditOptions } from './audit/audit-options.js'
export type { AuditEntry } from './audit/entry.js'
export type {
  AuditSink, SinkCommits, SinkContext, SinkPolicies, SinkPolicy, SinkWriter, WantedCommits
} from './audit/sink.js'
export type { RecordedEntry } from './audit/entry.js'
export type { GatewayOptions } from './access/gateway-headers.js'
export type { PermissionConfig, PermissionRule } from './access/permission-policy.js'
export type { PermissionEntry } from './access/rule.js'
export type { AuthSession, Origin } from './access/session.js'
export { checkDeployment, type AdviceId, type DeploymentAdvice, type DeploymentOptions, type DeploymentPlace } from './deployment/deployment-check.js'
export { NoexServer, type ServerConfig } from './standalone.js'
export type { DrainOptions, Noex, NoexState } from './decorator.js'
export { NoexOptionsError } from './option-checks.js'
export type { NoexOptions } from './options.js'
export type { ConnectionInfo, ServerStats } from './info.js'
export { ErrorCode, NoexServerError, type NoexErrorCode } from './errors.js'
export { closeReasons, type CloseReason } from './close-codes.js'
export { PROTOCOL_VERSION } from './protocol/messages.js'
export type { NoexStore } from './store/noex-store.js'
export type { InputField, ProcedureDefinition, ProcedureStep } from './procedures/procedure.js'
export type { ProcedureOptions } from './procedures/procedure-options.js'
export type { RuleEngine as NoexRuleEngine } from './rules/rule-engine.js'
export { getOperationTier, hasAccessForTier, isBuiltInAuth, isBuiltinRole } from './exports/noex-server.js'
export type {
  AuditConfig, AuditQuery, AuthConfig, BackpressureConfig, BuiltInAuthConfig, ClientMessage, ClientRequest,
  ConnectionLimitsConfig, ConnectionMetadata, ConnectionsStats, ErrorResponse, HeartbeatConfig, HeartbeatPing,
  HeartbeatPong, OperationTier, ProceduresConfig, PushMessage, RateLimitConfig, RevocationConfig,
  RevokedEntry, ServerMessage, SuccessResponse, SystemMessage, WelcomeMessage
} from './exports/noex-server.js'
