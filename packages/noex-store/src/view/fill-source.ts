import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import { visitMatches } from '../query/visit.js'
import { unitsOfSort, weightOf } from '../query/work.js'
import { sortInSlices } from '../scan/sort.js'
import type { WorkMeter } from '../types/access.js'
import type { Entry, Position } from './entry.js'
import { APPENDED } from './ranked-list.js'
import { RowSet } from './row-set.js'
import type { Tally } from './tally.js'

/** Takes in the records of a source one by one, in the order of their insertion, while it is empty. */
export interface Filling {
  add: (entry: Entry) => void
  /** Puts in what is left, in slices; `weight` as of `sortInSlices`. */
  finish: (weight: number, meter?: WorkMeter) => Promise<void>
}

interface PositionedEntry extends Position {
  readonly entry: Entry
}

/** Reads the records of a bucket into empty contents, as they are in the step of the call. */
export async function fillContents (
  engine: Engine, bucket: Bucket, contents: RowSet | Tally, meter: WorkMeter
): Promise<void> {
  const filling = fillingOf(engine, contents)
  await visitMatches(engine, { bucket, filter: contents.filter }, (record, { place }) => {
    filling.add({ record, place })
    return undefined
  }, { meter, includesOverdue: true })
  await filling.finish(weightOf(bucket), meter)
}

/** Begins to fill contents: at once where the order of insertion is theirs. */
export function fillingOf (engine: Engine, contents: RowSet | Tally): Filling {
  const { slicer } = engine
  let entries: Entry[] = []
  if (!(contents instanceof RowSet)) {
    return { add: ({ record, place }) => { contents.add(record, place) }, finish: async () => {} }
  }
  if (contents.order.length === 0) {
    return {
      add (entry) {
        contents.register(entry)
        if (entries.push(entry) < APPENDED) return
        contents.append(entries)
        entries = []
      },
      finish: async () => { contents.append(entries) }
    }
  }
  const { order } = contents
  // With their values: to read these at each comparison takes most of the time.
  const positioned: PositionedEntry[] = []
  return {
    add (entry) {
      contents.register(entry)
      const { values, place } = order.positionOf(entry)
      positioned.push({ values, place, entry })
    },
    async finish (weight, meter) {
      meter?.take(unitsOfSort(positioned.length))
      const sorted = await sortInSlices(positioned, order.comparePositions, slicer, weight)
      for (let i = 0; i < sorted.length; i += APPENDED) {
        contents.append(sorted.slice(i, i + APPENDED).map(({ entry }) => entry))
        if (slicer.isSpent) await slicer.nextTurn()
      }
    }
  }
}
