import type { AuditTrail } from '../audit/trail.js'
import type { DurabilityWatch } from '../store/durability-watch.js'
import type { Clock } from '../util/clock.js'

/** `serving` → `draining` (readiness answers 503, and connections are brought to an end) → `closed`. */
export type NoexState = 'serving' | 'draining' | 'closed'

/** Whether the changes of a durable store reach its disk, or it follows those of another process. */
export interface DurabilityState {
  readonly state: 'ok' | 'unavailable' | 'following'
  /** Age of the oldest commit that is not durable yet; 0 where there is none. */
  readonly lagMs: number
}

/** The reason for which load balancers should send clients to another instance. */
export interface NotReadyReason {
  readonly status: 'draining' | 'audit_unavailable' | 'store_unavailable' | 'standby'
  readonly reason?: string
}

/** The state of a service, and whether it can serve clients. */
export class ServiceStatus {
  state: NoexState = 'serving'
  readonly #clock: Clock
  readonly #trail: AuditTrail | undefined
  readonly #durability: DurabilityWatch
  readonly #startedAt: number

  constructor (clock: Clock, trail: AuditTrail | undefined, durability: DurabilityWatch) {
    this.#clock = clock
    this.#trail = trail
    this.#durability = durability
    this.#startedAt = clock.ticks()
  }

  /** Milliseconds since the start. */
  get uptimeMs (): number {
    return Math.round(this.#clock.ticks() - this.#startedAt)
  }

  /** `undefined` for a store that is in memory only. */
  get durability (): DurabilityState | undefined {
    const { stats, isFollowing } = this.#durability
    if (stats === null) return undefined
    const state = stats.isUnavailable ? 'unavailable' : isFollowing ? 'following' : 'ok'
    return { state, lagMs: Math.round(stats.lagMs) }
  }

  /** `undefined` while clients can be served. */
  get notReady (): NotReadyReason | undefined {
    if (this.state !== 'serving') return { status: 'draining' }
    const reason = this.#trail?.problem
    if (reason !== undefined) return { status: 'audit_unavailable', reason }
    if (this.#durability.isFollowing) return { status: 'standby' }
    return this.#durability.isUnavailable ? { status: 'store_unavailable' } : undefined
  }
}
