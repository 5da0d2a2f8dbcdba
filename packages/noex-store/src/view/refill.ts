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

/** Sources that are tried between two looks at the clock. */
const STEP = 256

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
    const failed = new Map<ViewSource, unknown>()
    const index = await begin(engine, bucket, views, failed)
    if (engine.buckets.get(name) !== bucket) continue
    const { revision, takenBack } = engine
    const durable = isDurable(engine)
    await read(engine, bucket, index, failed)
    if (!await durable || engine.takenBack !== takenBack) continue
    await replaceAll(engine, bucket, views, index, { revision, failed })
    return revision
  }
}

/** Begins the new contents of all sources. */
async function begin (
  engine: Engine, bucket: Bucket, views: BucketViews, failed: Map<ViewSource, unknown>
): Promise<PredicateIndex<Refilled>> {
  const index = new PredicateIndex<Refilled>(bucket.schema.normalizeOf)
  let count = 0
  for (const source of views.index.items) {
    try {
      const contents = contentsOf(bucket, source.config)
      index.add({ source, filter: contents.filter, contents, filling: fillingOf(engine, contents) })
    } catch (error) {
      failed.set(source, error)
    }
    const turn = engine.slicer.pause(++count)
    if (turn !== undefined) await turn
  }
  return index
}

async function read (
  engine: Engine, bucket: Bucket, index: PredicateIndex<Refilled>, failed: Map<ViewSource, unknown>
): Promise<void> {
  // As many records as are tried by so many sources, as far as the one before tells.
  let step = 1
  await walk(engine, new Snapshot(bucket.contents), (record, { place }) => {
    const found = index.find(undefined, record)
    step = Math.max(1, Math.floor(STEP / (found.length + 1)))
    for (const refilled of found) {
      const { filter } = refilled
      if (filter?.searchesTexts === true) step = 1
      try {
        if (filter === undefined || filter.test(record)) refilled.filling.add({ record, place })
      } catch (error) {
        failed.set(refilled.source, error)
        index.remove(refilled)
      }
    }
    return undefined
  }, () => step)
  for (const { filling } of index.items) {
    await filling.finish(weightOf(bucket))
    if (engine.slicer.isSpent) await engine.slicer.nextTurn()
  }
}

/** Gives the sources their new contents. */
async function replaceAll (
  engine: Engine, bucket: Bucket, views: BucketViews, index: PredicateIndex<Refilled>,
  { revision, failed }: { readonly revision: number, readonly failed: ReadonlyMap<ViewSource, unknown> }
): Promise<void> {
  views.index = new PredicateIndex(bucket.schema.normalizeOf)
  let count = 0
  const add = async (source: ViewSource, put: () => void): Promise<void> => {
    // All its views may have been closed meanwhile.
    if (source.users === 0) return
    put()
    views.index.add(source)
    const turn = engine.slicer.pause(++count)
    if (turn !== undefined) await turn
  }
  for (const { source, contents } of index.items) {
    await add(source, () => { source.replace(contents, revision) })
  }
  for (const [source, error] of failed) {
    await add(source, () => {
      source.revision = revision
      source.fail(error)
    })
  }
}

/** Resolves with whether the present revision becomes durable, and is not taken back. */
export async function isDurable (engine: Engine): Promise<boolean> {
  const pending = engine.whenPresentIsDurable()
  if (pending === undefined) return true
  return await pending.then(() => true, () => false)
}
