import type { Bucket } from '../bucket/bucket.js'
import { Snapshot } from '../bucket/snapshot.js'
import type { Engine } from '../commit/engine.js'
import type { CompiledFilter } from '../filter/filter.js'
import { walk } from '../query/walk.js'
import { weightOf } from '../query/work.js'
import type { BucketViews } from './bucket-views.js'
import { fillingOf, type Filling } from './fill-source.js'
import { PredicateIndex } from './predicate-index.js'
import type { RowSet } from './row-set.js'
import type { Tally } from './tally.js'
import { contentsOf, type ViewSource } from './view-source.js'

/** Records looked at between two looks at the clock. */
const STEP = 32

/** New contents of a source, in the making. */
interface Refilled {
  readonly source: ViewSource
  readonly filter: CompiledFilter | undefined
  readonly contents: RowSet | Tally
  readonly filling: Filling
}

/**
 * Reads all sources over a bucket anew, with its present definition, in one walk over its records. Resolves
 * with the revision that they are of, once it is durable; 0 where there is no bucket any more.
 */
export async function refill (engine: Engine, name: string, views: BucketViews): Promise<number> {
  for (;;) {
    const bucket = engine.buckets.get(name)
    if (bucket === undefined) return 0
    const { revision, takenBack } = engine
    const durable = isDurable(engine)
    const index = new PredicateIndex<Refilled>(bucket.schema.normalizeOf)
    const failed = new Map<ViewSource, unknown>()
    for (const source of views.index.items) {
      try {
        const contents = contentsOf(bucket, source.config)
        index.add({ source, filter: contents.filter, contents, filling: fillingOf(engine, contents) })
      } catch (error) {
        failed.set(source, error)
      }
    }
    await read(engine, bucket, index, failed)
    if (!await durable || engine.takenBack !== takenBack) continue
    for (const { source, contents } of index.items) {
      if (source.users > 0) source.replace(contents, revision)
    }
    for (const [source, error] of failed) {
      source.revision = revision
      source.fail(error)
    }
    const sources = [...views.index.items]
    views.index = new PredicateIndex(bucket.schema.normalizeOf)
    for (const source of sources) views.index.add(source)
    return revision
  }
}

async function read (
  engine: Engine, bucket: Bucket, index: PredicateIndex<Refilled>, failed: Map<ViewSource, unknown>
): Promise<void> {
  await walk(engine, new Snapshot(bucket.contents), (record, { place }) => {
    for (const refilled of index.find(undefined, record)) {
      try {
        if (refilled.filter === undefined || refilled.filter.test(record)) {
          refilled.filling.add({ record, place })
        }
      } catch (error) {
        failed.set(refilled.source, error)
        index.remove(refilled)
      }
    }
    return undefined
  }, () => STEP)
  for (const { filling } of index.items) await filling.finish(weightOf(bucket))
}

/** Resolves with whether the present revision becomes durable, and is not taken back. */
export async function isDurable (engine: Engine): Promise<boolean> {
  const pending = engine.whenPresentIsDurable()
  if (pending === undefined) return true
  return await pending.then(() => true, () => false)
}
