import type { Engine } from '../commit/engine.js'
import type { WorkMeter } from '../types/access.js'
import type {
  QueryBucket, QueryContext, QueryRunOptions, ReadFilter
} from '../types/query.js'
import { BucketReader } from './bucket-reader.js'
import type { ReadMoment } from './read-moment.js'

/** The buckets of one run of a query, confined by `readFilter`. */
export class TrackedContext implements QueryContext {
  /** Counts the run; `undefined`: the store's `maxWork` holds for each read. */
  readonly work: WorkMeter | undefined
  readonly #engine: Engine
  readonly #onBucket: (bucket: string) => void
  readonly #onRecord: (bucket: string, key: unknown) => void
  readonly #readFilter: ReadFilter | undefined
  readonly #moment: ReadMoment | undefined

  constructor (
    engine: Engine, { onBucket = ignore, onRecord = ignore, work }: QueryRunOptions, readFilter?: ReadFilter,
    moment?: ReadMoment
  ) {
    this.work = work
    this.#engine = engine
    this.#onBucket = onBucket
    this.#onRecord = onRecord
    this.#readFilter = readFilter
    this.#moment = moment
  }

  /** @throws BucketNotDefinedError, and what `readFilter` throws */
  bucket (name: string): QueryBucket {
    const scope = this.#readFilter?.(name) ?? undefined
    const { schema } = this.#engine.bucket(name)
    const { work } = this
    const access = { ...(scope !== undefined && { scope }), ...(work !== undefined && { work }) }
    const reader = new BucketReader(this.#engine, name, access)
    const whole = <A extends unknown[], R> (read: (...args: A) => R) => (...args: A): R => {
      this.#onBucket(name)
      const result = read.apply(reader, args)
      // It has begun, and removed what expires before it.
      this.#moment?.onBucketRead(name)
      return result
    }
    return {
      get: async key => {
        const wanted = schema.normalizeOf(schema.key)?.(key) ?? key
        this.#onRecord(name, wanted)
        const record = reader.get(key)
        this.#moment?.onRecordRead(name, wanted)
        return await record
      },
      all: whole(reader.all),
      where: whole(reader.where),
      find: whole(reader.find),
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

function ignore (): void {}
