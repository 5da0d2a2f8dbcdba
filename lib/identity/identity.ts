import type { Authenticator } from '../auth/authenticator.js'
import { adviceOnPermission, type KnownNames, type NameAdvice } from '../permissions/name-advice.js'
import { OperationNames } from '../permissions/operation-names.js'
import { ruleProblem } from '../permissions/permission.js'
import { secretProblem } from '../auth/secret-strength.js'
import type { ResolvedBuiltIn } from '../auth/auth-options.js'
import type { Session } from '../protocol/session.js'
import type { Clock } from '../util/clock.js'
import { LoginLimiter } from '../limits/login-limiter.js'
import type { Rejections } from '../limits/rejections.js'
import type { Log } from '../util/log.js'
import type { Cause, NoteOf } from '../store/row-scope.js'
import type { SharedStore } from '../store/shared-store.js'
import { AccessLists } from './access-lists.js'
import { Directory } from './directory.js'
import type { DirectoryListener } from './change-listeners.js'
import { IdentityPolicy } from './identity-policy.js'
import { LoginService } from './login-service.js'
import { Passwords } from './passwords.js'
import type { ResourceType } from './records.js'
import { RoleService } from './role-service.js'
import { SessionService } from './session-service.js'
import type { NamedOperation } from './system-roles.js'
import { UserService } from './user-service.js'

/** The parts of the service that the built-in identity uses. */
export interface IdentityEnvironment {
  readonly log: Log
  readonly clock: Clock
  readonly isRevoked: (userId: string) => boolean
  readonly rejections: Rejections
  /** All operations, from which the system roles are made. */
  readonly operations: readonly NamedOperation[]
  /** Those of the application: system roles may call them as far as their tier reaches. */
  readonly ownOperations?: readonly NamedOperation[]
  /** See `PasswordsOptions`. */
  readonly argon2?: boolean
}

/**
 * Serves accounts from the store: users, roles, sessions and access lists. PROTOCOL.md, "Users and roles".
 */
export class Identity {
  readonly directory: Directory
  readonly policy: IdentityPolicy
  readonly sessions: SessionService
  readonly logins: LoginService
  readonly users: UserService
  readonly roles: RoleService
  readonly accessLists: AccessLists
  readonly #passwords: Passwords
  readonly #clock: Clock
  readonly #stops: Array<() => void> = []

  private constructor (
    directory: Directory,
    sharedStore: SharedStore,
    options: ResolvedBuiltIn,
    environment: IdentityEnvironment
  ) {
    const { clock, isRevoked, rejections, argon2, operations, ownOperations = [] } = environment
    const passwords = new Passwords(argon2 === undefined ? {} : { argon2 })
    directory.hashSettings.start(hash => passwords.settingOf(hash), directory.users())
    const sessions = new SessionService(directory, clock, options)
    const limiter = new LoginLimiter(options.loginRateLimit, clock, rejections)
    const logins = new LoginService({
      directory,
      sessions,
      passwords,
      limiter,
      isRevoked,
      adminSecret: options.adminSecret
    })
    this.directory = directory
    directory.isRevoked = isRevoked
    const own = new Set(ownOperations.map(({ name }) => name))
    const policy = new IdentityPolicy(directory, name => sharedStore.queryFacts(name), own)
    this.policy = policy
    this.sessions = sessions
    this.logins = logins
    this.users = new UserService({
      directory,
      sessions,
      passwords,
      limiter,
      logins,
      passwordMinLength: options.passwordMinLength
    })
    const operationNames = new OperationNames([...operations.map(({ name }) => name), ...own])
    this.roles = new RoleService(directory, policy, operationNames)
    this.accessLists = new AccessLists(directory, policy)
    this.#passwords = passwords
    this.#clock = clock
  }

  /**
   * Creates the system buckets that are missing in the store, and loads the others. Rejects when that fails,
   * and then leaves nothing running.
   */
  static async start (
    sharedStore: SharedStore,
    options: ResolvedBuiltIn,
    environment: IdentityEnvironment
  ): Promise<Identity> {
    const { log, operations } = environment
    const problem = secretProblem(options.adminSecret)
    if (problem !== undefined) {
      log.warn(
        { advice: 'weak-secret', option: 'auth.adminSecret' },
        `the admin secret ${problem} and can be guessed`
      )
    }
    return new Identity(await Directory.open(sharedStore, operations, log), sharedStore, options, environment)
  }

  get authenticator (): Authenticator {
    return this.sessions
  }

  /** Calls `listener` at each change of users, sessions and rights, until `close`. */
  onChange (listener: DirectoryListener): void {
    this.#stops.push(this.directory.onChange(listener))
  }

  /**
   * Returns advice on names in roles that nothing has so far, and on operations that do not exist.
   */
  adviceOnRoles (known: KnownNames): NameAdvice[] {
    return this.directory.roles().flatMap(role =>
      role.permissions.flatMap((entry, i) => {
        if (ruleProblem(entry) !== undefined) return []
        const at = `role ${JSON.stringify(role.name)}: permissions[${i}]`
        const problem = known.operations.problemIn(entry)
        return [
          ...(problem === undefined ? [] : [{ at: `${at}.${problem.path}`, message: problem.problem }]),
          ...adviceOnPermission(at, entry, known)
        ]
      })
    )
  }

  /** Returns the users with a session that match. */
  usersWithSessions (matches: (user: Pick<Session, 'userId' | 'roles'>) => boolean): string[] {
    return this.directory
      .usersWithSessions()
      .filter(userId => matches({ userId, roles: this.directory.roleNamesOf(userId) }))
  }

  /**
   * Ends all sessions of users at once, and deletes them in the store afterwards: `deleted` resolves then, or
   * when the store has failed. Returns the number of those that had not expired, too.
   */
  endSessionsOf (users: Iterable<string>, cause?: Cause): { count: number, deleted: Promise<void> } {
    const now = this.#clock.now()
    const sessions = [...users].flatMap(userId => this.directory.sessionsOf(userId))
    const count = sessions.filter(({ expiresAt }) => expiresAt >= now).length
    const deleted = this.directory.endSessions(sessions.map(({ id }) => id), cause).catch(() => {})
    return { count, deleted }
  }

  /** Returns whether a query was defined by a client, and not by the application. */
  isClientQuery (name: string): boolean {
    return this.directory.isClientQuery(name)
  }

  /** Records the session's user as the owner of a bucket or a query that a client has defined. */
  async recordOwner (
    resourceType: ResourceType, resourceName: string, session: Session | undefined, note?: NoteOf
  ): Promise<void> {
    if (resourceType === 'query') this.directory.noteClientQuery(resourceName)
    if (session === undefined) return
    await this.accessLists.recordOwner({ resourceType, resourceName }, session.userId, note)
  }

  /** Deletes owner and access list of a bucket or a query that a client has removed. */
  async forgetResource (resourceType: ResourceType, resourceName: string, cause?: Cause): Promise<void> {
    await this.directory.retryLater(async () => {
      await this.directory.forgetResource({ resourceType, resourceName }, cause)
    })
  }

  /** Stops timers, threads and listeners; accounts and sessions stay in the store. */
  async close (): Promise<void> {
    for (const stop of this.#stops) stop()
    this.policy.close()
    this.sessions.close()
    await this.#passwords.close()
    await this.directory.close()
  }
}
