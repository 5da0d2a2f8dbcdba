export type { GenServerBehavior, TerminateReason } from './behavior.js'
export type { ChildRestartStrategy, ChildSpec } from './child.js'
export { DEFAULTS } from './defaults.js'
export {
  AlreadyRegisteredError,
  CallTimeoutError,
  ChildNotFoundError,
  DuplicateChildError,
  InitializationError,
  MaxRestartsExceededError,
  NotRegisteredError,
  ServerNotRunningError
} from './errors.js'
export { EventBus, type EventBusOptions, type EventBusRef } from './event-bus.js'
export { type CallOptions, type CallResult, GenServer } from './gen-server.js'
export type { StartOptions } from './launch.js'
export type { GenServerRef } from './ref.js'
export type { RestartIntensityOptions } from './restart-intensity.js'
export type { SupervisorStrategy } from './supervision.js'
export { type ChildInfo, Supervisor, type SupervisorOptions, type SupervisorRef } from './supervisor.js'
export type { PersistedState, StateMetadata, StorageAdapter } from '@hamicek/noex-store'
