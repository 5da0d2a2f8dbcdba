export { noexPlugin, noexPlugin as default } from './plugin.js'
export { jwtAuth, type JwtAuthOptions } from './auth/jwt.js'
export type { AuthOptions, BuiltInAuth, ExternalAuth, GatewayAuth } from './auth/auth-options.js'
export type { AuditLogLevel, AuditOptions } from './audit/audit-options.js'
export type { AuditEntry } from './audit/entry.js'
export type {
  AuditSink, SinkCommits, SinkContext, SinkPolicies, SinkPolicy, SinkWriter, WantedCommits
} from './audit/sink.js'
export type { RecordedEntry } from './audit/entry.js'
export type { GatewayOptions } from './handshake/gateway-options.js'
export type { PermissionConfig, PermissionRule } from './permissions/permission-options.js'
export type { PermissionEntry } from './permissions/permission.js'
export type { AuthSession, Origin } from './protocol/session.js'
export {
  checkDeployment,
  type AdviceId,
  type DeploymentAdvice,
  type DeploymentOptions,
  type DeploymentPlace
} from './deployment/deployment-check.js'
export { NoexServer, type ServerConfig } from './server.js'
export type { DrainOptions } from './lifecycle/shutdown-options.js'
export type { CallOptions, Noex, NoexCaller, NoexState } from './types.js'
export { NoexOptionsError } from './util/option-schema.js'
export type { NoexOptions } from './options/options.js'
export type { ConnectionInfo, ServerStats } from './operations/server-info.js'
export { ErrorCode, NoexServerError, type NoexErrorCode } from './protocol/errors.js'
export { closeReasons, type CloseReason } from './protocol/close-codes.js'
export { PROTOCOL_VERSION, type ApplicationOperation } from './protocol/messages.js'
export {
  operation, type HandlerContext, type OperationDefinition, type OperationResource
} from './operations/application-operation.js'
export { Type, type Static } from 'typebox'
export type {
  ApplicationBucket, ApplicationStore, ApplicationTransaction, ApplicationTransactionBucket, NoexTypes
} from './store/application-store.js'
export type { Log as NoexLog } from './util/log.js'
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
