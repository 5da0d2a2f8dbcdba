import type { Snapshot, Visit } from '../bucket/snapshot.js'
import type { Engine } from '../commit/engine.js'

/** Places looked at between two looks at the clock. */
export const STEP = 256

/**
 * Walks a snapshot to its end, the first steps at once; `nextStep` tells the places of each step before it is
 * made.
 */
export function walk (
  engine: Engine, snapshot: Snapshot, visit: Visit, nextStep: () => number = () => STEP
): Promise<void> | undefined {
  try {
    do {
      if (snapshot.step(visit, nextStep())) return undefined
    } while (!engine.slicer.isSpent)
  } catch (error) {
    snapshot.close()
    throw error
  }
  return walkOn(engine, snapshot, visit, nextStep)
}

async function walkOn (
  engine: Engine, snapshot: Snapshot, visit: Visit, nextStep: () => number
): Promise<void> {
  try {
    do {
      if (engine.slicer.isSpent) await engine.slicer.nextTurn()
    } while (!snapshot.step(visit, nextStep()))
  } finally {
    snapshot.close()
  }
}
