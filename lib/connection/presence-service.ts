import type { AuditTrail } from '../audit/trail.js'
import { refusesWrites } from '../store/noex-store.js'
import { Presence } from '../store/presence.js'
import { removePresence, type Removal } from '../store/presence-removal.js'
import type { SharedStore } from '../store/shared-store.js'
import type { Clock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import type { Log } from '../util/log.js'
import type { Resolved } from '../util/option-schema.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import { withTimeout } from '../util/with-timeout.js'
import type { presenceOptions } from './connection-options.js'

/** Time after which records are tried again that could not be removed, in milliseconds. */
const RETRY_MS = 1_000

/** Time after which records are tried again that others hold by their references, in milliseconds. */
const HELD_RETRY_MS = 60_000

/** Time that the last removals may take, in milliseconds. */
const END_TIMEOUT_MS = 800

/** The parts of the service that the presences of connections work with. */
export interface PresenceParts {
  readonly sharedStore: SharedStore
  readonly trail: AuditTrail | undefined
  readonly clock: Clock
  readonly log: Log
}

/**
 * Ends the presences of connections: removes their records from ephemeral buckets when the connection has
 * been gone for the grace, in one commit and with one entry of the audit. What the store refuses is tried
 * again until it is done. PROTOCOL.md, "Presence".
 */
export class PresenceService {
  readonly #options: Resolved<typeof presenceOptions>
  readonly #parts: PresenceParts
  /** Those whose connection has ended and which have records. */
  readonly #departed = new Set<Presence>()
  readonly #grace: DeadlineQueue<Presence>
  readonly #refused: DeadlineQueue<Presence>
  readonly #held: DeadlineQueue<Presence>
  /** Those whose records are to be removed now. */
  readonly #due = new Set<Presence>()
  #run: Promise<void> | undefined
  readonly #settling = new Set<Promise<void>>()
  #isFailing = false
  readonly #warned = new WeakSet<Presence>()

  constructor (options: Resolved<typeof presenceOptions>, parts: PresenceParts) {
    this.#options = options
    this.#parts = parts
    const remove = (presence: Presence): void => { this.#remove(presence) }
    this.#grace = new DeadlineQueue(options.graceMs, parts.clock, remove)
    this.#refused = new DeadlineQueue(RETRY_MS, parts.clock, remove)
    this.#held = new DeadlineQueue(HELD_RETRY_MS, parts.clock, remove)
  }

  /** Begins the presence of a connection; `null`: of a call. */
  begin (connectionId: string | null): Presence {
    return new Presence(connectionId, this.#parts.sharedStore.presences, this.#options.maxRecords)
  }

  /** Called when the connection of a presence has ended. */
  leave (presence: Presence): void {
    // Commits that were under way become durable later.
    presence.onGained = () => { this.#await(presence) }
    if (presence.size > 0) this.#await(presence)
  }

  #await (presence: Presence): void {
    this.#departed.add(presence)
    this.#grace.add(presence)
  }

  /**
   * Removes what is left of the connections that have ended, without the rest of their grace. Resolves when
   * that is done, or after 800 ms.
   */
  async end (): Promise<void> {
    this.#grace.clear()
    this.#refused.clear()
    this.#held.clear()
    for (const presence of this.#departed) this.#remove(presence)
    await withTimeout(END_TIMEOUT_MS, this.#settled(), this.#parts.clock)
  }

  async #settled (): Promise<void> {
    await this.#run
    await Promise.all(this.#settling)
  }

  /** Stops all timers: nothing more is removed. */
  stop (): void {
    this.#grace.clear()
    this.#refused.clear()
    this.#held.clear()
    this.#due.clear()
  }

  #remove (presence: Presence): void {
    this.#due.add(presence)
    this.#run ??= this.#removeDue()
  }

  async #removeDue (): Promise<void> {
    // The set may grow meanwhile.
    for (const presence of this.#due) {
      this.#due.delete(presence)
      await this.#removeOne(presence)
      if (isTurnOver()) await nextTurn()
    }
    // In the step that has found the set empty.
    this.#run = undefined
  }

  async #removeOne (presence: Presence): Promise<void> {
    const { sharedStore } = this.#parts
    if (presence.size === 0) {
      this.#departed.delete(presence)
    } else if (refusesWrites(sharedStore.store)) {
      this.#refused.add(presence)
    } else {
      try {
        const removal = await removePresence(sharedStore, presence)
        const settling = this.#settle(presence, removal).finally(() => { this.#settling.delete(settling) })
        this.#settling.add(settling)
      } catch (error) {
        this.#onFailure(presence, error)
      }
    }
  }

  /** Waits until a removal is durable. */
  async #settle (presence: Presence, { removed, revision, held }: Removal): Promise<void> {
    try {
      if (revision !== undefined) await this.#parts.sharedStore.store.whenDurable(revision)
    } catch (error) {
      this.#onFailure(presence, error)
      return
    }
    this.#isFailing = false
    if (removed.size > 0) this.#record(presence, removed)
    if (held !== undefined) {
      this.#warnOf(presence, held)
      this.#held.add(presence)
    } else if (presence.size > 0) {
      // Written again since, or the commit has not been told yet.
      this.#refused.add(presence)
    } else {
      this.#departed.delete(presence)
    }
  }

  #onFailure (presence: Presence, err: unknown): void {
    this.#refused.add(presence)
    if (this.#isFailing) return
    this.#isFailing = true
    this.#parts.log.warn({ err }, 'the records of a connection that has ended cannot be removed yet')
  }

  #warnOf (presence: Presence, { bucket, key }: NonNullable<Removal['held']>): void {
    if (this.#warned.has(presence)) return
    this.#warned.add(presence)
    this.#parts.log.warn(
      { bucket, key, connectionId: presence.connectionId },
      'a record of a connection that has ended stays as long as others refer to it'
    )
  }

  #record ({ connectionId, user }: Presence, removed: Removal['removed']): void {
    const buckets = Object.fromEntries(removed)
    this.#parts.trail?.note({
      operation: 'presence.remove',
      resource: removed.size === 1 ? [...removed.keys()][0] as string : '*',
      userId: user ?? null,
      sessionId: connectionId,
      details: { buckets }
    })
  }
}
