import { checkAllowed } from '../auth/auth-options.js'
import type { HttpRefusal } from '../auth/http-authorizer.js'
import type { ClientSocket } from '../connection/socket.js'
import { adviseOnNames } from '../deployment/name-advice.js'
import type { IncomingRequest } from '../handshake/request-origin.js'
import { retainedHeaders } from '../handshake/retained-headers.js'
import type { Upgrade } from '../handshake/upgrade.js'
import type { AcceptedUpgrade, UpgradeRefusal } from '../handshake/upgrade-admission.js'
import { checkDrainOptions, type DrainOptions } from '../lifecycle/shutdown-options.js'
import { checkCosts } from '../limits/rate-limit-options.js'
import { accessesRecords } from '../operations/operation.js'
import { operations } from '../operations/registry.js'
import type { ConnectionInfo, ServerStats } from '../operations/server-info.js'
import type { ResolvedOptions } from '../options/options.js'
import { OperationNames } from '../permissions/operation-names.js'
import { closeReasons, REVOKED_REASON } from '../protocol/close-codes.js'
import type { RequestHeaders, Session } from '../protocol/session.js'
import type { ApplicationStore } from '../store/application-store.js'
import type { Log } from '../util/log.js'
import { withTimeout } from '../util/with-timeout.js'
import type { HttpCalls } from './http-calls.js'
import type { MetricsCollector, MetricsText } from './metrics-collector.js'
import { startParts, type NoexEnvironment, type ServiceParts } from './start-parts.js'
import { StreamService } from './stream-service.js'
import type { DurabilityState, NoexState, NotReadyReason } from './status.js'

/** Time for which names are compared before the service is ready without that, in milliseconds. */
const ADVICE_TIMEOUT_MS = 1_000

/** The running service: owns the parts, and ends them in order. `Noex` is its public face. */
export class NoexService {
  readonly #options: ResolvedOptions
  readonly #log: Log
  readonly #parts: ServiceParts
  /** The clients over plain HTTP. */
  readonly streams: StreamService
  /** The marks of the revocations when a gateway's sessions were admitted. */
  readonly #marks = new WeakMap<Session, number>()
  #closed: Promise<void> | undefined

  private constructor (options: ResolvedOptions, log: Log, parts: ServiceParts) {
    this.#options = options
    this.#log = log
    this.#parts = parts
    this.streams = new StreamService({
      ...parts, accept: (socket, upgrade) => { this.accept(socket, upgrade) }
    })
  }

  /** Starts a service on a store that is running; `close` ends it. */
  static async start (options: ResolvedOptions, environment: NoexEnvironment): Promise<NoexService> {
    const known = new OperationNames(namesOf(options))
    checkCosts(options.rateLimit, known)
    checkAllowed(options.auth, known)
    return new NoexService(options, environment.log, await startParts(options, environment))
  }

  /**
   * Warns of unknown names in permissions and procedures. To be called when the application has defined its
   * buckets, queries and rules. Resolves within a second; rejects when the store or the rule engine fails.
   */
  async adviseOnNames (): Promise<void> {
    await withTimeout(ADVICE_TIMEOUT_MS, this.#adviseOnNames(), this.#parts.clock)
  }

  async #adviseOnNames (): Promise<void> {
    const { sharedStore, rules, identity, own } = this.#parts
    adviseOnNames({
      options: this.#options,
      operations: namesOf(this.#options),
      recordOperations: [...operations.values(), ...own].filter(accessesRecords).map(({ name }) => name),
      bucketNames: sharedStore.bucketNames(),
      topics: await rules?.triggers() ?? [],
      identity
    }, this.#log)
  }

  get store (): ApplicationStore {
    return this.#options.store as unknown as ApplicationStore
  }

  get state (): NoexState {
    return this.#parts.status.state
  }

  get connectionCount (): number {
    return this.#parts.connections.size
  }

  get uptimeMs (): number {
    return this.#parts.status.uptimeMs
  }

  get notReady (): NotReadyReason | undefined {
    return this.#parts.status.notReady
  }

  /** Whether changes reach the disk; `undefined` for a store that is in memory only. */
  get durability (): DurabilityState | undefined {
    return this.#parts.status.durability
  }

  /** Accepts an upgrade, with its origin and in gateway mode its session, or returns the refusal. */
  admit (request: IncomingRequest): AcceptedUpgrade | UpgradeRefusal {
    const { upgradeAdmission, revocations } = this.#parts
    const admission = upgradeAdmission.admit(request)
    if (!('refused' in admission) && admission.session !== undefined) {
      this.#marks.set(admission.session, revocations.mark)
    }
    return admission
  }

  /** Returns the address of the client behind a request, also of one that is refused. */
  addressOf (request: IncomingRequest): string {
    return this.#parts.originResolver.addressOf(request)
  }

  /** Records that an upgrade from an address is refused with a status. `log` is the request's logger. */
  recordRefusal (remoteAddress: string, { refused, reason }: UpgradeRefusal, log: Log): void {
    this.#parts.refusals.addRefused(remoteAddress, String(refused), reason)
    this.#parts.trail?.note({ operation: 'connection.refuse', error: reason, remoteAddress }, log)
  }

  /** Returns the headers of an upgrade that are kept as long as the connection. */
  retainedHeaders (headers: RequestHeaders): RequestHeaders {
    const { auth, allowedOrigins } = this.#options
    return retainedHeaders(headers, auth?.mode, allowedOrigins)
  }

  /** Takes over a socket in the tick in which it opens, and the slot of its admission. */
  accept (ws: ClientSocket, upgrade: Upgrade): void {
    const { connections, upgradeAdmission, revocations } = this.#parts
    const connection = connections.accept(ws, upgrade)
    // The upgrade was accepted before the drain or a revocation, and has only now come through.
    if (upgradeAdmission.isClosed) connection.close(closeReasons.serverShutdown)
    else if (upgrade.session !== undefined) {
      const mark = this.#marks.get(upgrade.session)
      if (revocations.bars(upgrade.session, mark ?? revocations.mark)) connection.revoke(REVOKED_REASON)
    }
  }

  /** Handles requests over HTTP. */
  get httpCalls (): HttpCalls {
    return this.#parts.httpCalls
  }

  async call<Data> (
    caller: unknown, operation: unknown, fields?: unknown, options?: unknown
  ): Promise<Data> {
    return await this.#parts.applicationCalls.call(caller, operation, fields, options) as Data
  }

  async getStats (): Promise<ServerStats> {
    return await this.#parts.statistics.all()
  }

  getConnections (): ConnectionInfo[] {
    return this.#parts.connections.infos
  }

  revokeSession (userId: string): number {
    if (typeof userId !== 'string' || userId === '') {
      throw new TypeError('revokeSession: userId must be a non-empty text')
    }
    this.#requireAuth()
    // Also when the user is not connected.
    return this.revokeSessions({ userId })
  }

  revokeSessions (filter: { userId?: string, role?: string }): number {
    for (const [name, value] of Object.entries(filter)) {
      // A property without a value would match every user.
      if (!['userId', 'role'].includes(name) || typeof value !== 'string' || value === '') {
        throw new TypeError(`revokeSessions: ${name} must be a non-empty text`)
      }
    }
    this.#requireAuth()
    return this.#parts.sessionRevoker.revoke(filter)
  }

  #requireAuth (): void {
    if (this.#options.auth === undefined) {
      throw new Error('there are no sessions to revoke: the option auth is not set')
    }
  }

  /** Returns the answer of `/stats`, or a refusal. Rejects when the rights are unknown. */
  async statsForHttp (request: IncomingRequest): Promise<ServerStats | HttpRefusal> {
    return await this.#parts.statistics.forHttp(request)
  }

  /** Returns the answer of `/metrics`, like `statsForHttp`. Only with `routes.metrics`. */
  async metricsForHttp (request: IncomingRequest): Promise<MetricsText | HttpRefusal> {
    return await (this.#parts.metricsCollector as MetricsCollector).forHttp(request)
  }

  async drain (options: DrainOptions = {}): Promise<void> {
    checkDrainOptions(options)
    await this.#parts.shutdown.drain(options)
  }

  /** Drains, then releases everything that the service holds. The store goes on: the application owns it. */
  async close (): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close (): Promise<void> {
    const parts = this.#parts
    // The server accepts no new clients any more, so the drain delay has no purpose.
    parts.shutdown.skipDelay()
    await this.drain({ drainDelayMs: 0 })
    parts.status.state = 'closed'
    parts.calls.close()
    parts.connections.stop()
    parts.presences.stop()
    parts.rules?.stop()
    parts.fieldWarnings.stop()
    parts.durability.stop()
    const ended = await Promise.allSettled([
      parts.processMetrics.close(),
      parts.procedures.close(),
      parts.identity?.close(),
      parts.liveQueries.stop(),
      parts.trail?.close()
    ])
    for (const part of ended) if (part.status === 'rejected') throw part.reason
  }
}

/** Returns the names of all operations, also of those that are not configured. */
function namesOf (options: ResolvedOptions): string[] {
  return [...operations.keys(), ...options.operations.map(({ name }) => name)]
}
