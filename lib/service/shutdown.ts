import type { AuditTrail } from '../audit/trail.js'
import type { Membership } from '../cluster/membership.js'
import type { Calls } from '../connection/calls.js'
import type { Connections } from '../connection/connections.js'
import type { PresenceService } from '../connection/presence-service.js'
import type { UpgradeAdmission } from '../handshake/upgrade-admission.js'
import { Drain, type DrainTimes } from '../lifecycle/drain.js'
import type { DrainOptions } from '../lifecycle/shutdown-options.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import type { ServiceStatus } from './status.js'

/** The parts of the service that a drain works with. */
interface ShutdownParts {
  readonly calls: Calls
  readonly connections: Connections
  readonly presences: PresenceService
  readonly upgradeAdmission: UpgradeAdmission
  readonly status: ServiceStatus
  readonly trail: AuditTrail | undefined
  readonly membership: Membership | undefined
  readonly clock: Clock
  readonly log: Log
}

/** The particulars of a drain, for log and audit. */
export type DrainDetails = Pick<DrainTimes, 'drainDelayMs' | 'gracePeriodMs'> & {
  /** The number of connections at its beginning. */
  readonly connections: number
}

/** Drains a service once, however often and by whichever way it is asked for. */
export class Shutdown {
  readonly #defaults: DrainTimes
  readonly #parts: ShutdownParts
  #drain: Drain | undefined
  #handedOver: Promise<void> | undefined

  /** `defaults`: the option `shutdown`. */
  constructor (defaults: DrainTimes, parts: ShutdownParts) {
    this.#defaults = defaults
    this.#parts = parts
  }

  /** Whether a drain has begun. */
  get hasBegun (): boolean {
    return this.#drain !== undefined
  }

  /** Drains, unless that has begun; then the options do not matter. Resolves when no connection is left. */
  async drain (options: DrainOptions): Promise<void> {
    const drain = this.#drain ?? this.begin(options, details => {
      this.#parts.trail?.note({ operation: 'server.drain', details })
    })
    await drain.ended
    await this.#parts.presences.end()
    await this.#handOver()
  }

  /** Ends the writes of this process, which another one of its cluster then takes over. Never rejects. */
  async #handOver (): Promise<void> {
    const { log, membership } = this.#parts
    this.#handedOver ??= membership?.leave().catch((error: unknown) => {
      log.error({ err: error }, 'the last commits could not be made durable, and were taken back')
    })
    await this.#handedOver
  }

  /** Begins the drain; `record` makes its entry in the audit. To be called once. */
  begin (
    { gracePeriodMs, drainDelayMs }: DrainOptions, record: (details: DrainDetails) => void
  ): Drain {
    const { calls, clock, connections, log, status, upgradeAdmission } = this.#parts
    const times: DrainTimes = {
      ...this.#defaults,
      ...(gracePeriodMs !== undefined && { gracePeriodMs }),
      ...(drainDelayMs !== undefined && { drainDelayMs })
    }
    if (status.state === 'serving') status.state = 'draining'
    const details = {
      drainDelayMs: times.drainDelayMs, gracePeriodMs: times.gracePeriodMs, connections: connections.size
    }
    log.info(details, 'draining')
    record(details)
    const drain = new Drain(times, {
      connections,
      calls,
      clock,
      stopAccepting () {
        upgradeAdmission.close()
        calls.stopAccepting()
      }
    })
    this.#drain = drain
    if (this.#parts.membership !== undefined) this.drain({}).catch(() => {})
    return drain
  }

  /** Ends the delay of a drain at once, because the server itself is closing. */
  skipDelay (): void {
    this.#drain?.skipDelay()
  }
}
