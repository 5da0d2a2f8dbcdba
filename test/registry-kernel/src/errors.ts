/** Says that a call was not answered in time. A handler that had begun still runs to its end. */
export class CallTimeoutError extends Error {
  override readonly name = 'CallTimeoutError'
  readonly serverId: string
  readonly timeoutMs: number

  constructor (serverId: string, timeoutMs: number) {
    super(`Call to server "${serverId}" was not answered within ${timeoutMs} ms`)
    this.serverId = serverId
    this.timeoutMs = timeoutMs
  }
}

/** Says that the addressed server is unknown, stopping or stopped. */
export class ServerNotRunningError extends Error {
  override readonly name = 'ServerNotRunningError'
  readonly serverId: string

  constructor (serverId: string) {
    super(`Server "${serverId}" is not running`)
    this.serverId = serverId
  }
}

/** Says that a server's `init` threw, rejected or took too long; `cause` is the reason. */
export class InitializationError extends Error {
  override readonly name = 'InitializationError'
  override readonly cause: Error
  readonly serverId: string

  constructor (serverId: string, cause: Error) {
    super(`Server "${serverId}" could not be initialized: ${cause.message}`)
    this.serverId = serverId
    this.cause = cause
  }
}

/** Says that a name is held, or being taken, by another server of this process. */
export class AlreadyRegisteredError extends Error {
  override readonly name = 'AlreadyRegisteredError'
  readonly registeredName: string

  constructor (registeredName: string) {
    super(`The name "${registeredName}" is already registered`)
    this.registeredName = registeredName
  }
}

/** Says that no server holds the name that was looked up. */
export class NotRegisteredError extends Error {
  override readonly name = 'NotRegisteredError'
  readonly processName: string

  constructor (processName: string) {
    super(`The name "${processName}" is not registered`)
    this.processName = processName
  }
}

/** Says that a supervisor already has a child of this id, running or starting. */
export class DuplicateChildError extends Error {
  override readonly name = 'DuplicateChildError'
  readonly supervisorId: string
  readonly childId: string

  constructor (supervisorId: string, childId: string) {
    super(`Supervisor "${supervisorId}" already has a child "${childId}"`)
    this.supervisorId = supervisorId
    this.childId = childId
  }
}

/** Says that a supervisor has no child of this id. */
export class ChildNotFoundError extends Error {
  override readonly name = 'ChildNotFoundError'
  readonly supervisorId: string
  readonly childId: string

  constructor (supervisorId: string, childId: string) {
    super(`Supervisor "${supervisorId}" has no child "${childId}"`)
    this.supervisorId = supervisorId
    this.childId = childId
  }
}

/**
 * Says that children ended more often than their supervisor restarts them.
 * It is the error in the reason with which the remaining children are then stopped.
 */
export class MaxRestartsExceededError extends Error {
  override readonly name = 'MaxRestartsExceededError'
  readonly supervisorId: string
  readonly maxRestarts: number
  readonly withinMs: number

  constructor (supervisorId: string, maxRestarts: number, withinMs: number) {
    super(`Supervisor "${supervisorId}" gave up after more than ${maxRestarts} restarts within ${withinMs} ms`)
    this.supervisorId = supervisorId
    this.maxRestarts = maxRestarts
    this.withinMs = withinMs
  }
}

/** Gives `thrown` itself when it is an Error, and otherwise an Error with its text. */
export function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
