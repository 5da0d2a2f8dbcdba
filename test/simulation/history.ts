import type {
  BucketDefinition, DeclarativeQueryConfig, LogEntry, StoreImage, StoreRecord
} from '@hamicek/noex-store'

/** A store at one revision. */
export interface StateAt {
  readonly epoch: string
  readonly revision: number
  /** Records of each bucket, in the order of their insertion. */
  readonly buckets: ReadonlyMap<string, readonly StoreRecord[]>
  readonly queries: ReadonlyMap<string, DeclarativeQueryConfig>
}

/** States that are kept; clients are not so far behind. */
const MAX_STATES = 6_000

/** Returns the state of an image. */
export function stateOf (epoch: string, { revision, buckets, queries }: StoreImage): StateAt {
  const records = new Map(buckets.map(({ name, records }) => [name, records]))
  return { epoch, revision, buckets: records, queries: new Map(queries) }
}

/** The states of a store, as its log tells them: what clients are shown is compared with these. */
export class History {
  readonly #records = new Map<string, Map<unknown, StoreRecord>>()
  readonly #states = new Map<number, StateAt>()
  #present: StateAt

  constructor (epoch: string) {
    this.#present = { epoch, revision: 0, buckets: new Map(), queries: new Map() }
    this.#states.set(0, this.#present)
  }

  get present (): StateAt {
    return this.#present
  }

  /** Returns the state at a revision, `undefined` where it is not kept or was never. */
  at (revision: number): StateAt | undefined {
    return this.#states.get(revision)
  }

  /** Takes the next commit of the log. */
  add ({ revision, changes }: LogEntry): void {
    const { epoch } = this.#present
    const buckets = new Map(this.#present.buckets)
    const queries = new Map(this.#present.queries)
    const touched = new Set<string>()
    for (const change of changes) {
      if (change.type === 'query') {
        if (change.config === undefined) queries.delete(change.query)
        else queries.set(change.query, change.config)
        continue
      }
      touched.add(change.bucket)
      const records = this.#records.get(change.bucket) ?? new Map<unknown, StoreRecord>()
      switch (change.type) {
        case 'insert':
        case 'update':
          records.set(change.key, change.after as StoreRecord)
          break
        case 'delete':
          records.delete(change.key)
          break
        case 'clear':
          records.clear()
          break
        case 'drop':
          this.#records.delete(change.bucket)
          continue
        default: {
          const { key } = change.definition as BucketDefinition
          if (change.records !== undefined || change.type === 'define') records.clear()
          for (const record of change.records ?? []) records.set(record[key], record)
        }
      }
      this.#records.set(change.bucket, records)
    }
    for (const name of touched) this.#publish(name, buckets)
    this.#put({ epoch, revision, buckets, queries })
  }

  /** Begins another history with an image of a store. */
  begin (epoch: string, image: StoreImage): void {
    this.#records.clear()
    this.#states.clear()
    for (const { name, definition, records } of image.buckets) {
      this.#records.set(name, new Map(records.map(record => [record[definition.key], record])))
    }
    this.#put(stateOf(epoch, image))
  }

  #publish (name: string, buckets: Map<string, readonly StoreRecord[]>): void {
    const records = this.#records.get(name)
    if (records === undefined) buckets.delete(name)
    else buckets.set(name, [...records.values()])
  }

  #put (state: StateAt): void {
    this.#present = state
    this.#states.set(state.revision, state)
    this.#states.delete(state.revision - MAX_STATES)
  }
}
