import type { BucketHandle } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import { ChangeQueue } from '../identity/change-queue.js'
import type { Log } from '../util/log.js'
import { NoexOptionsError } from '../util/option-schema.js'
import { followBuckets, type BucketChange } from '../store/follow-buckets.js'
import type { NoexStore } from '../store/noex-store.js'
import { causedBy, type Cause } from '../store/row-scope.js'
import { SharedStore } from '../store/shared-store.js'
import { defineSystemBucket, PROCEDURES_BUCKET } from '../store/system-buckets.js'
import { checkDefinition } from './definition.js'
import { issueText } from './issues.js'
import type { Procedure } from './procedure.js'
import { isProcedureRecord, proceduresBucket } from './system-bucket.js'

/**
 * Procedures that clients have registered in one store.
 * @limit `RATE_LIMITED`
 */
const MAX_PROCEDURES = 1_000

/**
 * Changes of procedures that wait for their turn.
 * @limit `RATE_LIMITED` with `details.retryAfterMs`
 */
const MAX_WAITING = 1_000

/** The `retryAfterMs` of a refused change. */
const RETRY_AFTER_MS = 1_000

/** A registered procedure. */
export interface Registered {
  readonly procedure: Procedure
  /** The user who has written the steps; `undefined` without accounts. */
  readonly author: string | undefined
  /** Whether it is one of the options: no client can change it, and its owner is the application. */
  readonly isFixed: boolean
}

interface Pinned extends Registered {
  users: number
}

/** Stored procedures were within the limits of their time; a call checks the present ones. */
const noLimits = { maxSteps: Infinity, maxConditionDepth: Infinity }

/**
 * The procedures of a store, shared by its services. Those of clients are in a system bucket, whose commits
 * the registry follows; those of the options are here until `unpin`.
 */
export class ProcedureRegistry {
  readonly #sharedStore: SharedStore
  readonly #log: Log
  readonly #pinned = new Map<string, Pinned>()
  readonly #stored = new Map<string, Registered>()
  readonly #changes = new ChangeQueue(MAX_WAITING, RETRY_AFTER_MS)
  #ready: Promise<void> | undefined
  #users = 0
  #stop: (() => void) | undefined

  private constructor (sharedStore: SharedStore, log: Log) {
    this.#sharedStore = sharedStore
    this.#log = log
  }

  static readonly #shared = new WeakMap<NoexStore, ProcedureRegistry>()

  /**
   * Returns the loaded registry of the store, which each caller must `close` once. Rejects when the store
   * refuses the bucket.
   */
  static async open (store: NoexStore, log: Log): Promise<ProcedureRegistry> {
    let registry = ProcedureRegistry.#shared.get(store)
    if (registry === undefined) {
      registry = new ProcedureRegistry(SharedStore.of(store), log)
      ProcedureRegistry.#shared.set(store, registry)
    }
    registry.#users++
    try {
      await (registry.#ready ??= registry.#enter())
      return registry
    } catch (error) {
      await registry.close()
      throw error
    }
  }

  async #enter (): Promise<void> {
    const { store } = this.#sharedStore
    await defineSystemBucket(store, PROCEDURES_BUCKET, proceduresBucket)
    if (this.#sharedStore.definition(PROCEDURES_BUCKET).key !== proceduresBucket.key) {
      throw new Error(`the store has a bucket ${PROCEDURES_BUCKET}, a name that the plugin needs for itself`)
    }
    this.#stop = await followBuckets(store, [PROCEDURES_BUCKET], changes => {
      for (const change of changes) this.#apply(change)
    })
  }

  /** Releases the registry; the last call ends it. */
  async close (): Promise<void> {
    if (--this.#users > 0) return
    if (ProcedureRegistry.#shared.get(this.#sharedStore.store) === this) {
      ProcedureRegistry.#shared.delete(this.#sharedStore.store)
    }
    await this.#changes.idle()
    this.#stop?.()
  }

  find (name: string): Registered | undefined {
    return this.#pinned.get(name) ?? this.#stored.get(name)
  }

  /** Whether a client has registered a procedure of the name. */
  hasStored (name: string): boolean {
    return this.#stored.has(name)
  }

  /** Returns all procedures, those of the options first. */
  all (): Registered[] {
    return [
      ...this.#pinned.values(),
      ...[...this.#stored.values()].filter(({ procedure }) => !this.#pinned.has(procedure.name))
    ]
  }

  /**
   * Adds procedures of the options until `unpin`.
   * @throws NoexOptionsError where another service on the store has a different one of the same name
   */
  pin (procedures: readonly Procedure[]): void {
    for (const { name, definition } of procedures) {
      const other = this.#pinned.get(name)
      if (other !== undefined && JSON.stringify(other.procedure.definition) !== JSON.stringify(definition)) {
        throw new NoexOptionsError(
          'procedures.definitions',
          `has a procedure "${name}" that is another one where the store is served, too`
        )
      }
    }
    for (const procedure of procedures) {
      const pinned = this.#pinned.get(procedure.name)
      if (pinned === undefined) {
        this.#pinned.set(procedure.name, { procedure, author: undefined, isFixed: true, users: 1 })
      } else {
        pinned.users++
      }
    }
  }

  unpin (procedures: readonly Procedure[]): void {
    for (const { name } of procedures) {
      const pinned = this.#pinned.get(name)
      if (pinned !== undefined && --pinned.users === 0) this.#pinned.delete(name)
    }
  }

  /** Runs one change after the other: see `ChangeQueue.run`. */
  async exclusive<T> (change: () => Promise<T>): Promise<T> {
    return await this.#changes.run(change)
  }

  /**
   * Stores a new procedure. Like the next methods to be called inside `exclusive`.
   * @throws `RATE_LIMITED` when there are too many
   */
  async insert (procedure: Procedure, author: string | undefined, cause: Cause = {}): Promise<void> {
    const { name, definition } = procedure
    if (this.#stored.size >= MAX_PROCEDURES) {
      throw new NoexServerError('RATE_LIMITED', `There are ${MAX_PROCEDURES} procedures already`)
    }
    await this.#bucket.insert({ name, definition, ...(author !== undefined && { author }) }, causedBy(cause))
  }

  /** Replaces the definition of that name. */
  async replace (procedure: Procedure, author: string | undefined, cause: Cause = {}): Promise<void> {
    const { name, definition } = procedure
    await this.#bucket.update(name, { definition, author: author ?? null }, causedBy(cause))
  }

  async delete (name: string, cause: Cause = {}): Promise<void> {
    await this.#bucket.delete(name, causedBy(cause))
  }

  get #bucket (): BucketHandle {
    return this.#sharedStore.bucket(PROCEDURES_BUCKET)
  }

  #apply (change: BucketChange): void {
    switch (change.type) {
      case 'set':
        this.#set(change.record)
        break
      case 'delete':
        this.#stored.delete(String(change.key))
        break
      case 'clear':
        this.#stored.clear()
    }
  }

  #set (record: unknown): void {
    const { name } = record as { readonly name?: unknown }
    const checked = isProcedureRecord(record) ? checkDefinition(record.definition, noLimits) : undefined
    if (isProcedureRecord(record) && checked?.procedure?.name === record.name) {
      this.#stored.set(record.name, {
        procedure: checked.procedure,
        author: record.author ?? undefined,
        isFixed: false
      })
      return
    }
    const [issue] = checked?.issues ?? []
    this.#log.warn(
      { procedure: name, issue: issue && issueText(issue) },
      'a stored procedure is not what it should be, and does not count'
    )
    this.#stored.delete(String(name))
  }
}
