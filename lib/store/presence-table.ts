import type { Change, Commit, DefinitionChange, RecordChange, StoreRecord } from '@hamicek/noex-store'
import type { NoexStore } from './noex-store.js'
import { Presence, presentRecord } from './presence.js'

/**
 * Knows for each record of an ephemeral bucket the connection that has written it last, by the durable
 * commits. A record that the application has written last is of no connection.
 */
export class PresenceTable {
  readonly #store: NoexStore
  /** The presences of the records of each ephemeral bucket, by key as keys are compared. */
  readonly #buckets = new Map<string, Map<unknown, Presence>>()

  constructor (store: NoexStore) {
    this.#store = store
    for (const bucket of store.bucketNames) this.#follow(bucket)
    store.onDurable(commit => { this.#onCommit(commit) })
  }

  /** Whether the records of a bucket end with the connection that has written them. */
  isEphemeral (bucket: string): boolean {
    return this.#buckets.has(bucket)
  }

  #follow (bucket: string): void {
    if (this.#store.getBucketSchema(bucket)?.ephemeral === true) this.#buckets.set(bucket, new Map())
  }

  #onCommit ({ changes, writer, user }: Commit): void {
    const presence = writer instanceof Presence ? writer : undefined
    for (const change of changes) this.#onChange(change, presence, user)
  }

  #onChange (change: Change, writer: Presence | undefined, user: string | undefined): void {
    switch (change.type) {
      case 'insert':
      case 'update':
      case 'delete':
        this.#onRecord(change, writer, user)
        break
      case 'clear':
        this.#forgetAll(change.bucket)
        break
      case 'define':
      case 'redefine':
      case 'drop':
        this.#onDefinition(change)
    }
  }

  #onRecord (
    { bucket, key, after, isCaused }: RecordChange, writer: Presence | undefined, user: string | undefined
  ): void {
    const present = this.#buckets.get(bucket)
    if (present === undefined) return
    const compared = this.#store.keyOf(bucket, key)
    const former = present.get(compared)
    // A record that loses a reference because another one is deleted has not been written by the other.
    const owner = after === undefined ? undefined : isCaused === true ? former : writer
    if (former !== undefined && former !== owner) {
      former.lose(bucket, compared)
      present.delete(compared)
    }
    if (owner === undefined) return
    if (owner !== former) present.set(compared, owner)
    if (isCaused !== true) owner.user = user
    owner.gain(bucket, compared, presentRecord(bucket, key, after as StoreRecord))
  }

  #onDefinition ({ type, bucket, definition, records }: DefinitionChange): void {
    const isEphemeral = definition?.ephemeral === true
    const present = this.#buckets.get(bucket)
    if (present === undefined || type !== 'redefine' || !isEphemeral) {
      this.#forgetAll(bucket)
      this.#buckets.delete(bucket)
      if (isEphemeral) this.#buckets.set(bucket, new Map())
      return
    }
    if (records === undefined) return
    // The records have been made anew: those whose key is there are still their writer's.
    const owners = new Map(present)
    this.#forgetAll(bucket)
    for (const record of records) {
      const key = record[definition.key]
      const compared = this.#store.keyOf(bucket, key)
      const owner = owners.get(compared)
      if (owner === undefined) continue
      present.set(compared, owner)
      owner.gain(bucket, compared, presentRecord(bucket, key, record))
    }
  }

  #forgetAll (bucket: string): void {
    const present = this.#buckets.get(bucket)
    if (present === undefined) return
    for (const [key, presence] of present) presence.lose(bucket, key)
    present.clear()
  }
}
