import { isDeepStrictEqual } from 'node:util'
import type { BucketDefinition, Store, StoreRecord } from 'registry-noex-store'
import { withoutAsyncValidators } from './async-validators.js'
import type { MemoryAdapter } from '../../src/index.js'

/** How an operation ended: with a value, or with an error as a program sees it. */
export type Outcome = { readonly value: unknown } | { readonly error: string }
export type Contents = Readonly<Record<string, readonly StoreRecord[]>>

/** An event of `store.on`, with its topic. */
export interface HeardEvent {
  readonly topic: string
  readonly type: 'inserted' | 'updated' | 'deleted'
  readonly bucket: string
  readonly key: unknown
  readonly record?: StoreRecord
  readonly oldRecord?: StoreRecord
  readonly newRecord?: StoreRecord
}

/** Everything about one step that can be seen from outside of a store. */
export interface Observation {
  readonly outcome: Outcome
  readonly contents: Contents
  readonly events: readonly HeardEvent[]
  /** Newest result of each subscription, by the number of the subscription. */
  readonly live: Readonly<Record<string, unknown>>
}

/** A watched query. */
export interface Watched {
  readonly define: (store: Store, name: string) => void
  result: unknown
  end: () => void
}

/** One of the two stores that do the same, with what it has told so far. */
export class Side {
  readonly watched = new Map<string, Watched>()
  events: HeardEvent[] = []
  readonly start: (adapter: MemoryAdapter) => Promise<Store>
  store: Store
  adapter: MemoryAdapter

  private constructor (start: Side['start'], store: Store, adapter: MemoryAdapter) {
    this.start = start
    this.store = store
    this.adapter = adapter
  }

  static async open (start: Side['start'], adapter: MemoryAdapter): Promise<Side> {
    const side = new Side(start, await start(adapter), adapter)
    await side.#listen()
    return side
  }

  async #listen (): Promise<void> {
    await this.store.on('bucket.*.*', (event, topic) => {
      this.events.push({ topic, ...event } as unknown as HeardEvent)
    })
  }

  /** Runs one operation and looks at what has become of the store. */
  async observe (run: (side: Side) => Promise<unknown>): Promise<Observation> {
    this.events = []
    const outcome = await outcomeOf(async () => await run(this))
    await this.store.settle()
    const contents = await this.contents()
    // A read finds records whose time is up.
    await this.store.settle()
    return { outcome, events: this.events, contents, live: this.live() }
  }

  async contents (): Promise<Contents> {
    const { names } = (await this.store.getStats()).buckets
    const contents: Record<string, readonly StoreRecord[]> = {}
    for (const name of [...names].sort()) contents[name] = await this.store.bucket(name).all()
    return contents
  }

  live (): Record<string, unknown> {
    return Object.fromEntries([...this.watched].map(([name, { result }]) => [name, result]))
  }

  /** Defines a query and watches it. */
  async watch (name: string, define: Watched['define']): Promise<unknown> {
    define(this.store, name)
    const watched: Watched = { define, result: undefined, end: () => {} }
    try {
      watched.end = await this.store.subscribe(name, result => { watched.result = result })
    } catch (error) {
      this.store.undefineQuery(name)
      throw error
    }
    watched.result = await this.store.runQuery(name)
    this.watched.set(name, watched)
    return watched.result
  }

  unwatch (name: string): void {
    this.watched.get(name)?.end()
    this.watched.delete(name)
    this.store.undefineQuery(name)
  }

  /** Starts anew with the definitions and records of the other side; backups stay. */
  async becomeLike (other: Side, make: () => MemoryAdapter): Promise<void> {
    const adapter = make()
    const { name } = this.store
    for (const key of await this.adapter.listKeys(`${name}:backup:`)) {
      await adapter.save(key, await this.adapter.load(key) as never)
    }
    await this.store.stop()
    const { names } = (await other.store.getStats()).buckets
    const definitions: Array<readonly [string, BucketDefinition]> = []
    for (const bucket of names) {
      const definition = withoutAsyncValidators(other.store.getBucketSchema(bucket) as BucketDefinition)
      definitions.push([bucket, definition])
      const records = await other.store.bucket(bucket).all()
      const counter = await counterOf(other.store, bucket)
      const state = {
        records: records.map(record => [record[definition.key], record]), autoincrementCounter: counter
      }
      await adapter.save(`${name}:bucket:${bucket}`, { state, metadata: {} as never })
    }
    this.adapter = adapter
    this.store = await this.start(adapter)
    for (const [bucket, definition] of definitions) await this.store.defineBucket(bucket, definition)
    await this.#listen()
    for (const [query, { define }] of [...this.watched]) {
      this.watched.delete(query)
      if (other.watched.has(query)) await this.watch(query, define)
    }
  }
}

/** Last number that a bucket has given to a record. */
export async function counterOf (store: Store, bucket: string): Promise<number> {
  return await store.transaction(async tx => (await tx.bucket(bucket)).autoincrementCounter)
}

async function outcomeOf (run: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await run() }
  } catch (error) {
    const { name, message } = error as Error
    return { error: `${name}: ${message}` }
  }
}

export function isSame (a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b)
}
