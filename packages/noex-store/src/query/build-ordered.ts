import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../rows/row.js'
import { Snapshot } from '../bucket/snapshot.js'
import type { Engine } from '../commit/engine.js'
import { walk } from './walk.js'
import { sortInSlices } from '../scan/sort.js'
import type { FieldIndex } from '../index/field-index.js'
import { OrderedIndex, type Scalar } from '../index/ordered-index.js'

/** Entries taken over between two looks at the clock. */
const STEP = 256

interface Entry {
  readonly value: Scalar
  readonly row: Row
}

/** Begins to build the ordered index of a field, unless it is there, being built, or impossible. */
export function requestOrder (engine: Engine, bucket: Bucket, index: FieldIndex): void {
  if (!index.needsOrder) return
  index.beginOrdering()
  engine.background.add(build(engine, bucket, index))
}

async function build (engine: Engine, { contents }: Bucket, index: FieldIndex): Promise<void> {
  const entries: Entry[] = []
  // The changes that come meanwhile are noted from the same moment on as the snapshot stands for.
  const snapshot = new Snapshot(contents)
  await walk(engine, snapshot, (record, row) => {
    const value = index.scalarOf(record)
    if (value !== undefined) entries.push({ value, row })
    return undefined
  })
  const sorted = await sortInSlices(entries, compareEntries, engine.slicer)
  const ordered = new OrderedIndex()
  for (let i = 0; i < sorted.length; i += STEP) {
    ordered.appendSorted(sorted.slice(i, i + STEP))
    if (engine.slicer.isSpent) await engine.slicer.nextTurn()
  }
  while (!index.catchUp(ordered, STEP)) if (engine.slicer.isSpent) await engine.slicer.nextTurn()
  index.finishOrdering(ordered)
}

function compareEntries (a: Entry, b: Entry): number {
  return a.value < b.value ? -1 : a.value > b.value ? 1 : a.row.place - b.row.place
}
