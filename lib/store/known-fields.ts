import type { Change } from '@hamicek/noex-store'
import { isTurnOver, nextTurn } from '../slice.js'
import type { NoexStore } from './noex-store.js'

/** Names that are counted of one bucket; where there are more, no name is held to be unknown. */
const MAX_NAMES = 1_000

/** Characters of a name that is counted; a longer one is one of too many. */
const MAX_NAME_CHARS = 256

/** Records between two looks at the clock. */
const RECORDS_PER_LOOK = 256

/** Members that the store writes itself. */
export const metadata: ReadonlySet<string> = new Set(['_version', '_createdAt', '_updatedAt', '_expiresAt'])

/** The names of the members that records of one bucket have or have had. */
interface Seen {
  readonly names: Set<string>
  /** Whether all records that the bucket holds have been looked at. */
  isComplete: boolean
  isFull: boolean
  /** Counts the times that the records were begun to be looked at. */
  turn: number
}

/**
 * Knows which fields the records of each bucket have: those of its schema, and whichever else a record has or
 * has had. Records are looked at when they are written, and once when the service or a bucket starts, in
 * small pieces. Where that is not finished, and where there are too many names, every name is held to be a
 * field.
 */
export class KnownFields {
  readonly #store: NoexStore
  readonly #seen = new Map<string, Seen>()
  #ready: Promise<unknown> = Promise.resolve()
  #stopListening: (() => void) | undefined

  constructor (store: NoexStore) {
    this.#store = store
  }

  /** Resolves when the records that were there at the start have been looked at. */
  get ready (): Promise<unknown> {
    return this.#ready
  }

  /** Begins to follow the store. */
  start (): void {
    this.#stopListening = this.#store.onCommit(({ changes }) => {
      for (const change of changes) this.#onChange(change)
    })
    this.#ready = this.#learnAll(this.#store.bucketNames)
  }

  stop (): void {
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#seen.clear()
  }

  /**
   * Whether records of the bucket may have this field, as far as is known; of a bucket that does not exist,
   * every one.
   */
  has (bucket: string, field: string): boolean {
    const definition = this.#store.getBucketSchema(bucket)
    const seen = this.#seen.get(bucket)
    if (definition === undefined || seen === undefined || !seen.isComplete || seen.isFull) return true
    if (this.isDeclared(bucket, field) || seen.names.has(field)) return true
    // Only its records will tell what they are like.
    return seen.names.size === 0 && this.isSchemaless(bucket)
  }

  /**
   * Whether the schema of a bucket names the field, or it is metadata; of a bucket that does not exist, every
   * one.
   */
  isDeclared (bucket: string, field: string): boolean {
    const definition = this.#store.getBucketSchema(bucket)
    return definition === undefined || metadata.has(field) || Object.hasOwn(definition.schema, field)
  }

  /** Whether the schema of a bucket leaves all fields but the key to the records. */
  isSchemaless (bucket: string): boolean {
    const { key, schema = {} } = this.#store.getBucketSchema(bucket) ?? {}
    return Object.keys(schema).every(name => name === key)
  }

  /** The fields that the schema of a bucket names, and the metadata. */
  declared (bucket: string): string[] {
    return [...Object.keys(this.#store.getBucketSchema(bucket)?.schema ?? {}), ...metadata]
  }

  /** All fields of a bucket that are known. */
  all (bucket: string): string[] {
    return [...new Set([...this.declared(bucket), ...this.#seen.get(bucket)?.names ?? []])]
  }

  #onChange (change: Change): void {
    switch (change.type) {
      case 'insert':
      case 'update': {
        const seen = this.#of(change.bucket)
        if (!seen.isFull) note(seen, change.after as object)
        break
      }
      case 'define':
      case 'redefine':
        this.#learn(change.bucket)
        break
      case 'drop':
        this.#seen.delete(change.bucket)
    }
  }

  async #learnAll (buckets: readonly string[]): Promise<void> {
    for (const bucket of buckets) await this.#learn(bucket)
  }

  #of (bucket: string): Seen {
    let seen = this.#seen.get(bucket)
    if (seen === undefined) {
      seen = { names: new Set(), isComplete: false, isFull: false, turn: 0 }
      this.#seen.set(bucket, seen)
    }
    return seen
  }

  /** Looks at all records of a bucket. Never rejects: where that fails, the names stay incomplete. */
  async #learn (bucket: string): Promise<void> {
    if (this.#stopListening === undefined) return
    const seen = this.#of(bucket)
    seen.isComplete = false
    const turn = ++seen.turn
    try {
      const records = await this.#store.bucket(bucket).all()
      for (let i = 0; i < records.length && !seen.isFull; i++) {
        note(seen, records[i] as object)
        if (i % RECORDS_PER_LOOK === 0 && isTurnOver()) await nextTurn()
      }
      // Another turn has begun where the records were replaced meanwhile.
      if (turn === seen.turn) seen.isComplete = true
    } catch {
      // The bucket is gone.
    }
  }
}

function note (seen: Seen, record: object): void {
  const { names } = seen
  for (const name in record) {
    if (names.has(name)) continue
    if (name.length > MAX_NAME_CHARS || names.size === MAX_NAMES) {
      seen.isFull = true
      names.clear()
      return
    }
    names.add(name)
  }
}
