import { randomUUID } from 'node:crypto'
import type { Change, StoreRecord, WriteOptions } from '@hamicek/noex-store'
import { tooManyChanges } from '../protocol/refusals.js'
import type { Log } from '../util/log.js'
import { followBuckets, type BucketChange } from '../store/follow-buckets.js'
import type { NoexStore } from '../store/noex-store.js'
import { defineOwnBucket } from '../store/own-buckets.js'
import { causedBy, type Cause } from '../store/row-scope.js'
import { repeatConflicts } from '../store/repeat-conflicts.js'
import { SharedStore } from '../store/shared-store.js'
import { ChangeQueue } from './change-queue.js'
import {
  changeBy,
  endOf,
  everything,
  ChangeListeners,
  type DirectoryChange,
  type DirectoryListener
} from './change-listeners.js'
import { HashSettings } from './hash-settings.js'
import { DirectoryCache } from './directory-cache.js'
import { warnOfCollisions } from './name-collisions.js'
import { isSystemRecord, type Resource, type SystemBucket, type User } from './records.js'
import { systemBuckets } from './system-buckets.js'
import { SUPERADMIN_ID, systemRoles, type NamedOperation } from './system-roles.js'

/**
 * Changes of accounts and roles that wait for their turn; each waits for a few short writes at most.
 * @limit `RATE_LIMITED` with `details.retryAfterMs`
 */
const MAX_WAITING = 1_000

/** What a refused change is told to wait, in milliseconds. */
const RETRY_AFTER_MS = 1_000

/** One write to a system bucket. */
export type DirectoryWrite = { readonly bucket: SystemBucket } & (
  | { readonly insert: Readonly<Record<string, unknown>> }
  | { readonly update: string, readonly changes: Readonly<Record<string, unknown>> }
  | { readonly delete: string })

const bucketNames = Object.keys(systemBuckets) as SystemBucket[]

/**
 * Queries that clients have defined, by store. They outlast the directory: the next one on the store has to
 * know them.
 */
const clientQueriesOf = new WeakMap<NoexStore, Set<string>>()

/**
 * The accounts, roles, access lists and sessions of a store. What is in memory follows the store's commits
 * and nothing else, so that it also knows what the application itself writes; every plugin instance on the
 * store shares it.
 */
export class Directory extends DirectoryCache {
  readonly hashSettings = new HashSettings()
  readonly #sharedStore: SharedStore
  readonly #log: Log
  readonly #listeners: ChangeListeners
  readonly #clientQueries: Set<string>
  readonly #changes = new ChangeQueue()
  /** Sessions that are over although the store may still say otherwise. */
  readonly #ended = new Set<string>()
  #ready: Promise<void> | undefined
  #stopListening: Array<() => void> = []
  #users = 0
  #hasComplained = false

  private constructor (sharedStore: SharedStore, log: Log) {
    super()
    this.#sharedStore = sharedStore
    this.#log = log
    this.#listeners = new ChangeListeners(log)
    this.#clientQueries = clientQueriesOf.get(sharedStore.store) ?? new Set()
    clientQueriesOf.set(sharedStore.store, this.#clientQueries)
  }

  static readonly #shared = new WeakMap<NoexStore, Directory>()

  /**
   * The directory of the store, set up and loaded; each user calls `close` once when done. Rejects when the
   * store does not take its buckets.
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
    for (const name of bucketNames) await defineOwnBucket(store, name, systemBuckets[name])
    this.#stopListening.push(
      await followBuckets(store, bucketNames, changes => { this.#apply(changes) }),
      store.onDurable(({ changes, user }) => { for (const change of changes) this.#onChange(change, user) })
    )
    const missing = systemRoles(operations).filter(({ name }) => this.roleByName(name) === undefined)
    if (missing.length > 0) {
      await this.write(missing.map(role => ({ bucket: '_roles', insert: { ...role, system: true } })))
    }
    await this.#forgetLostQueries()
    warnOfCollisions(this.collisions, this.#log)
  }

  /** Gives the directory back; the last one ends it. */
  async close (): Promise<void> {
    if (--this.#users > 0) return
    if (Directory.#shared.get(this.#sharedStore.store) === this) {
      Directory.#shared.delete(this.#sharedStore.store)
    }
    await this.#changes.idle()
    for (const stop of this.#stopListening.splice(0)) stop()
  }

  /** Calls `listener` at each change. Returns what stops that. */
  onChange (listener: DirectoryListener): () => void {
    return this.#listeners.add(listener)
  }

  /** Whether a user is revoked; whoever runs the directory says so. */
  isRevoked: (userId: string) => boolean = () => false

  /** Whether a user may have sessions: exists, is enabled and not revoked. */
  isActive (userId: string): boolean {
    return (userId === SUPERADMIN_ID || this.user(userId)?.enabled === true) && !this.isRevoked(userId)
  }

  /**
   * Whether a query was defined by a client, and not by the application. One of the store's log that the
   * application of this process has not defined is a client's: none gets the application's rights by a
   * restart.
   */
  isClientQuery (name: string): boolean {
    return this.#clientQueries.has(name) || this.#sharedStore.store.getQueryInfo(name)?.isRecovered === true
  }

  noteClientQuery (name: string): void {
    this.#clientQueries.add(name)
  }

  /**
   * Runs one change after the other, so that what a change has looked at still holds when it writes.
   * @throws `RATE_LIMITED` when too many wait
   */
  async exclusive<T> (change: () => Promise<T>): Promise<T> {
    if (this.#changes.size >= MAX_WAITING) {
      throw tooManyChanges(RETRY_AFTER_MS)
    }
    return await this.#changes.run(change)
  }

  /** Does `exclusive` without refusing: for what follows from something that has happened already. */
  async retryLater<T> (change: () => Promise<T>): Promise<T> {
    return await this.#changes.run(change)
  }

  /**
   * Makes all changes or none, and resolves with the new records when all who follow the directory have acted
   * on them: on all of them at once. To be called inside `exclusive` or `eventually`.
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
   * Ends sessions at once. Resolves when the store has been told; what fails there is logged, and tried again
   * by `endAgain`.
   */
  async endSessions (sessions: readonly string[], cause: Cause = {}): Promise<void> {
    const ended = sessions
      .map(id => this.tables._sessions.delete(id))
      .filter(session => session !== undefined)
    for (const { id } of ended) this.#ended.add(id)
    this.#listeners.tell(ended.map(({ userId }) => ({ userId, rights: false })))
    await this.#deleteSessions(ended.map(({ id }) => id), cause)
  }

  /** Tells the store once more of sessions that have ended. */
  async endAgain (): Promise<void> {
    await this.#deleteSessions([...this.#ended])
  }

  async #deleteSessions (ids: readonly string[], cause: Cause = {}): Promise<void> {
    try {
      for (const id of ids) await this.#sharedStore.bucket('_sessions').delete(id, causedBy(cause))
    } catch (error) {
      this.#log.error({ err: error }, 'a session that has ended could not be deleted')
    }
  }

  /** Takes in the changes of one commit, and tells followers of them as one. */
  #apply (changes: ReadonlyArray<BucketChange<SystemBucket>>): void {
    const told = changes.map(change => this.#applyChange(change)).filter(change => change !== undefined)
    this.#listeners.tell(told)
  }

  /** Returns what followers have to know. */
  #applyChange (change: BucketChange<SystemBucket>): DirectoryChange | undefined {
    const { bucket } = change
    switch (change.type) {
      case 'set': return this.#set(bucket, change.record)
      case 'delete':
        if (bucket === '_sessions') this.#ended.delete(String(change.key))
        return this.#remove(bucket, String(change.key))
      case 'clear':
        this.tables[bucket].clear()
        if (bucket === '_users') this.hashSettings.clear()
        return everything
    }
  }

  #remove (bucket: SystemBucket, id: string): DirectoryChange | undefined {
    if (bucket === '_users') this.hashSettings.delete(id)
    const record = this.tables[bucket].delete(id)
    return record === undefined ? undefined : endOf(bucket, record)
  }

  #set<Bucket extends SystemBucket> (bucket: Bucket, record: unknown): DirectoryChange | undefined {
    if (!isSystemRecord(bucket, record)) {
      if (!this.#hasComplained) {
        this.#log.warn({ bucket }, 'a record of a system bucket is not what it should be, and does not count')
      }
      this.#hasComplained = true
      return this.#remove(bucket, String((record as { readonly id?: unknown } | null)?.id))
    }
    if (bucket === '_sessions' && this.#ended.has(record.id)) return undefined
    const table = this.tables[bucket]
    const earlier = table.get(record.id)
    table.set(record)
    if (bucket === '_users') this.hashSettings.set(record.id, (record as User).passwordHash)
    return changeBy(bucket, record, earlier)
  }

  #onChange (change: Change, user: string | undefined): void {
    if (change.type === 'drop') {
      this.#forget({ resourceType: 'bucket', resourceName: change.bucket }, user)
    } else if (change.type === 'query' && change.config === undefined) {
      this.#clientQueries.delete(change.query)
      this.#forget({ resourceType: 'query', resourceName: change.query }, user)
    }
  }

  /** A resource is gone: its next owner does not inherit who could reach it. */
  #forget (resource: Resource, user: string | undefined): void {
    this.retryLater(async () => {
      await this.forgetResource(resource, { user })
    }).catch((error: unknown) => {
      this.#log.error({ err: error, ...resource }, 'access to a resource that is gone could not be deleted')
    })
  }

  /** Deletes owner and access list of a resource; to be called inside `exclusive` or `eventually`. */
  async forgetResource (resource: Resource, cause?: Cause): Promise<void> {
    const writes = this.#forgetting(resource)
    if (writes.length > 0) await this.write(writes, cause)
  }

  #forgetting (resource: Resource): DirectoryWrite[] {
    return [
      ...this.acl(resource).map(({ id }) => ({ bucket: '_acl' as const, delete: id })),
      ...this.ownershipsOf(resource).map(({ id }) => ({ bucket: '_resource_owners' as const, delete: id }))
    ]
  }

  /**
   * A query that is not here any more is none of its owner's: with a store in memory none outlives the
   * process, and one of that name may be the application's now.
   */
  async #forgetLostQueries (): Promise<void> {
    const { store } = this.#sharedStore
    for (const name of this.#clientQueries) {
      if (store.getQueryInfo(name) === undefined) this.#clientQueries.delete(name)
    }
    const owned = new Set(
      this.tables._resource_owners
        .all()
        .filter(({ resourceType }) => resourceType === 'query')
        .map(({ resourceName }) => resourceName)
    )
    const lost = [...owned].filter(name => !this.isClientQuery(name))
    const writes = lost.flatMap(resourceName => this.#forgetting({ resourceType: 'query', resourceName }))
    if (writes.length > 0) await this.write(writes)
  }
}
