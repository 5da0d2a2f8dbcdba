import type { Engine } from '../engine.js'
import type {
  QueryBucket, QueryContext, QueryDependencies, ReadFilter, ReadObserver
} from '../types/query.js'
import { BucketReader } from './bucket-reader.js'

/** The buckets of one run of a query, confined by `readFilter`. */
export class TrackedContext implements QueryContext {
  readonly #engine: Engine
  readonly #observer: ReadObserver
  readonly #readFilter: ReadFilter | undefined

  constructor (engine: Engine, observer: ReadObserver, readFilter?: ReadFilter) {
    this.#engine = engine
    this.#observer = observer
    this.#readFilter = readFilter
  }

  /** @throws BucketNotDefinedError, and what `readFilter` throws */
  bucket (name: string): QueryBucket {
    const scope = this.#readFilter?.(name) ?? undefined
    const { schema } = this.#engine.bucket(name)
    const reader = new BucketReader(this.#engine, name, scope === undefined ? {} : { scope })
    const { onBucket, onRecord } = this.#observer
    const whole = <A extends unknown[], R> (read: (...args: A) => R) => (...args: A): R => {
      onBucket(name)
      return read.apply(reader, args)
    }
    return {
      get: async key => {
        onRecord(name, schema.normalizeOf(schema.key)?.(key) ?? key)
        return await reader.get(key)
      },
      all: whole(reader.all),
      where: whole(reader.where),
      findOne: whole(reader.findOne),
      count: whole(reader.count),
      first: whole(reader.first),
      last: whole(reader.last),
      paginate: whole(reader.paginate),
      sum: whole(reader.sum),
      avg: whole(reader.avg),
      min: whole(reader.min),
      max: whole(reader.max),
      groupBy: whole(reader.groupBy)
    }
  }
}

/** Records and buckets that a query has read so far. */
export class ReadDependencies implements QueryDependencies {
  readonly bucketLevel = new Set<string>()
  readonly recordLevel = new Map<string, Set<unknown>>()

  addRecord (bucket: string, key: unknown): void {
    const keys = this.recordLevel.get(bucket)
    if (keys === undefined) this.recordLevel.set(bucket, new Set([key]))
    else keys.add(key)
  }
}
