import { randomUUID } from 'node:crypto'
import type { Change, StoreRecord, WriteOptions } from '@hamicek/noex-store'
import { followBuckets, type BucketChange } from '../store/follow-buckets.js'
import { refusesWrites, type NoexStore } from '../store/noex-store.js'
import { repeatConflicts } from '../store/repeat-conflicts.js'
import { causedBy, type Cause } from '../store/row-scope.js'
import { SharedStore } from '../store/shared-store.js'
import { defineSystemBucket } from '../store/system-buckets.js'
import type { Log } from '../util/log.js'
import { ChangeQueue } from './change-queue.js'
import { ChangeListeners, type DirectoryListener } from './change-listeners.js'
import { ClientQueries } from './client-queries.js'
import { DirectoryCache } from './directory-cache.js'
import { warnOfCollisions } from './names.js'
import type { Resource, SystemBucket } from './records.js'
import { systemBuckets } from './system-buckets.js'
import { SUPERADMIN_ID, systemRoles, type NamedOperation } from './system-roles.js'

/**
 * Changes of accounts and roles that wait for their turn; each waits for a few short writes at most.
 * @limit `RATE_LIMITED` with `details.retryAfterMs`
 */
const MAX_WAITING = 1_000

/** Time after which the client of a refused change can retry, in milliseconds. */
const RETRY_AFTER_MS = 1_000

/** Sessions that are deleted together: a store on the disk syncs them as one. */
const DELETED_AT_ONCE = 64

/** One write to a system bucket. */
export type DirectoryWrite = { readonly bucket: SystemBucket } & (
  | { readonly insert: Readonly<Record<string, unknown>> }
  | { readonly update: string, readonly changes: Readonly<Record<string, unknown>> }
  | { readonly delete: string })

const bucketNames = Object.keys(systemBuckets) as SystemBucket[]

/**
 * Keeps the accounts, roles, access lists and sessions of a store. The cache is updated from the store's
 * commits only, so that it includes the writes of the application itself. All plugin instances on the store
 * share one directory.
 */
export class Directory extends DirectoryCache {
  readonly #sharedStore: SharedStore
  readonly #log: Log
  readonly #listeners: ChangeListeners
  readonly #clientQueries: ClientQueries
  readonly #changes = new ChangeQueue(MAX_WAITING, RETRY_AFTER_MS)
  #ready: Promise<void> | undefined
  #stopListening: Array<() => void> = []
  #users = 0

  private constructor (sharedStore: SharedStore, log: Log) {
    super(log)
    this.#sharedStore = sharedStore
    this.#log = log
    this.#listeners = new ChangeListeners(log)
    this.#clientQueries = new ClientQueries(sharedStore.store)
  }

  static readonly #shared = new WeakMap<NoexStore, Directory>()

  /**
   * Returns the directory of the store, set up and loaded; each user of it calls `close` once. Rejects when
   * the store refuses the system buckets.
   */
  static async open (
    sharedStore: SharedStore,
    operations: Iterable<NamedOperation>,
    log: Log
  ): Promise<Directory> {
    let directory = Directory.#shared.get(sharedStore.store)
    if (directory === undefined) {
      directory = new Directory(SharedStore.of(sharedStore.store), log)
      Directory.#shared.set(sharedStore.store, directory)
    }
    directory.#users++
    try {
      await (directory.#ready ??= directory.#setUp(operations))
      return directory
    } catch (error) {
      await directory.close()
      throw error
    }
  }

  async #setUp (operations: Iterable<NamedOperation>): Promise<void> {
    const { store } = this.#sharedStore
    this.#sharedStore.hasSystemBuckets = true
    for (const name of bucketNames) await defineSystemBucket(store, name, systemBuckets[name])
    this.#stopListening.push(
      await followBuckets(store, bucketNames, changes => { this.#apply(changes) }),
      store.onDurable(({ changes, user }) => { for (const change of changes) this.#onChange(change, user) })
    )
    const roles = systemRoles(operations)
    if (refusesWrites(store)) {
      // What is missing for this version is written when this process takes the writes over.
      this.#stopListening.push(store.onDurabilityChange(() => {
        if (refusesWrites(store)) return
        this.#addMissingRoles(roles).catch(error => { this.#log.error({ err: error }, 'no system roles') })
      }))
    } else {
      await this.#addMissingRoles(roles)
      await this.#forgetLostQueries()
    }
    warnOfCollisions(this.collisions, this.#log)
  }

  async #addMissingRoles (roles: ReturnType<typeof systemRoles>): Promise<void> {
    const missing = roles.filter(({ name }) => this.roleByName(name) === undefined)
    if (missing.length === 0) return
    await this.write(missing.map(role => ({ bucket: '_roles', insert: { ...role, system: true } })))
  }

  /** Ends the use of the directory; the last user closes it. */
  async close (): Promise<void> {
    if (--this.#users > 0) return
    if (Directory.#shared.get(this.#sharedStore.store) === this) {
      Directory.#shared.delete(this.#sharedStore.store)
    }
    await this.#changes.idle()
    for (const stop of this.#stopListening.splice(0)) stop()
  }

  /** Calls `listener` at each change. Returns a function that stops it. */
  onChange (listener: DirectoryListener): () => void {
    return this.#listeners.add(listener)
  }

  /** Returns whether a user is revoked. Set by `Identity`. */
  isRevoked: (userId: string) => boolean = () => false

  /** Returns whether a user can have sessions: it exists, is enabled and not revoked. */
  isActive (userId: string): boolean {
    return (userId === SUPERADMIN_ID || this.user(userId)?.enabled === true) && !this.isRevoked(userId)
  }

  /** Returns whether a query was defined by a client, and not by the application: see `ClientQueries`. */
  isClientQuery (name: string): boolean {
    return this.#clientQueries.has(name)
  }

  noteClientQuery (name: string): void {
    this.#clientQueries.add(name)
  }

  /**
   * Runs a change when all earlier ones have settled, so that what it has read still holds when it writes.
   * @throws `RATE_LIMITED` when too many changes wait
   */
  async exclusive<T> (change: () => Promise<T>): Promise<T> {
    return await this.#changes.run(change)
  }

  /** Runs a change like `exclusive`, without a limit: for the consequences of changes already made. */
  async retryLater<T> (change: () => Promise<T>): Promise<T> {
    return await this.#changes.enqueue(change)
  }

  /**
   * Makes all changes or none. Resolves with the new records when all listeners have acted on the changes,
   * which they receive as one. To be called inside `exclusive` or `retryLater`.
   */
  async write (writes: readonly DirectoryWrite[], cause: Cause = {}): Promise<StoreRecord[]> {
    return await repeatConflicts(this.#sharedStore, async committing =>
      await this.#write(writes, { ...causedBy(cause), beforeCommit: committing }))
  }

  async #write (writes: readonly DirectoryWrite[], options: WriteOptions): Promise<StoreRecord[]> {
    const records = await this.#sharedStore.store.transaction(async tx => {
      const written: StoreRecord[] = []
      for (const write of writes) {
        const bucket = await tx.bucket(write.bucket)
        if ('delete' in write) await bucket.delete(write.delete)
        else if ('insert' in write) written.push(await bucket.insert({ id: randomUUID(), ...write.insert }))
        else written.push(await bucket.update(write.update, { ...write.changes }))
      }
      return written
    }, options)
    await this.#listeners.settled()
    return records
  }

  /**
   * Ends sessions at once, then deletes them in the store. A failure there is logged, and `retryDeletions`
   * tries again.
   */
  async endSessions (sessions: readonly string[], cause: Cause = {}): Promise<void> {
    const ended = sessions.map(id => this.endSession(id)).filter(session => session !== undefined)
    this.#listeners.notify(ended.map(({ userId }) => ({ userId, rights: false })))
    await this.#deleteSessions(ended.map(({ id }) => id), cause)
  }

  /** Deletes the sessions that have ended and are still in the store. */
  async retryDeletions (): Promise<void> {
    await this.#deleteSessions([...this.endedSessions])
  }

  async #deleteSessions (ids: readonly string[], cause: Cause = {}): Promise<void> {
    try {
      const bucket = this.#sharedStore.bucket('_sessions')
      for (let start = 0; start < ids.length; start += DELETED_AT_ONCE) {
        const part = ids.slice(start, start + DELETED_AT_ONCE)
        await Promise.all(part.map(async id => await bucket.delete(id, causedBy(cause))))
      }
    } catch (error) {
      this.#log.error({ err: error }, 'a session that has ended could not be deleted')
    }
  }

  /** Applies the changes of one commit, and notifies the listeners once. */
  #apply (changes: ReadonlyArray<BucketChange<SystemBucket>>): void {
    const applied = changes.map(change => this.applyChange(change)).filter(change => change !== undefined)
    this.#listeners.notify(applied)
  }

  #onChange (change: Change, user: string | undefined): void {
    if (change.type === 'drop') {
      this.#forget({ resourceType: 'bucket', resourceName: change.bucket }, user)
    } else if (change.type === 'query' && change.config === undefined) {
      this.#clientQueries.delete(change.query)
      this.#forget({ resourceType: 'query', resourceName: change.query }, user)
    }
  }

  /** Deletes the access to a resource that is gone, so that a later one of its name does not inherit it. */
  #forget (resource: Resource, user: string | undefined): void {
    this.retryLater(async () => {
      await this.forgetResource(resource, { user })
    }).catch((error: unknown) => {
      this.#log.error({ err: error, ...resource }, 'access to a resource that is gone could not be deleted')
    })
  }

  /** Deletes owner and access list of a resource. To be called inside `exclusive` or `retryLater`. */
  async forgetResource (resource: Resource, cause?: Cause): Promise<void> {
    const writes = this.#deletionsFor(resource)
    if (writes.length > 0) await this.write(writes, cause)
  }

  #deletionsFor (resource: Resource): DirectoryWrite[] {
    return [
      ...this.acl(resource).map(({ id }) => ({ bucket: '_acl' as const, delete: id })),
      ...this.ownershipsOf(resource).map(({ id }) => ({ bucket: '_resource_owners' as const, delete: id }))
    ]
  }

  /**
   * Deletes the access to clients' queries that the store does not have any more: in memory, no query
   * outlives the process, and one of the same name may be the application's now.
   */
  async #forgetLostQueries (): Promise<void> {
    this.#clientQueries.prune()
    const owned = new Set(
      this.tables._resource_owners
        .all()
        .filter(({ resourceType }) => resourceType === 'query')
        .map(({ resourceName }) => resourceName)
    )
    const lost = [...owned].filter(name => !this.isClientQuery(name))
    const writes = lost.flatMap(resourceName => this.#deletionsFor({ resourceType: 'query', resourceName }))
    if (writes.length > 0) await this.write(writes)
  }
}
