import type { Engine } from './engine.js'
import type { TransactionOptions } from '../types/commit.js'
import type { Plan } from './plan.js'

/** Times that what deletes cause is looked for in slices, before it is done in the step that commits. */
const MAX_ATTEMPTS = 5
/** Records above which the step that commits comes in a new turn when this one is spent. */
export const MAX_STEPS_AT_ONCE = 256
/** Records above which it always has a turn of its own. */
const MIN_LONG = 2_000
/** Records looked at between two looks at the clock. */
const STEP = 32

/**
 * Commits a plan whose deletes may cause many others: those are looked for in slices. Where others change
 * meanwhile what the plan depends on, `build` makes it anew, for the last time in the step that commits.
 * Resolves when the commit is durable, or made, as `until` says; `undefined` when that is so at once.
 * `committed` is called in the step that has committed.
 */
export function commitCauses (
  engine: Engine, build: () => Plan, options: TransactionOptions, committed: () => void = () => {}
): Promise<void> | undefined {
  const plan = build()
  const isCausing = engine.hasCauses(plan)
  if (isCausing) {
    const { revision } = engine
    const causes = engine.follow(plan)
    if (!isSoonDone(causes, engine)) {
      return followInSlices(engine, { plan, causes, revision }, build, options, committed)
    }
  }
  engine.commit(plan, options, isCausing)
  committed()
  return whenDone(engine, options)
}

function whenDone (engine: Engine, { until }: TransactionOptions): Promise<void> | undefined {
  return until === 'committed' ? undefined : engine.whenPresentIsDurable()
}

/** Waits, where the step that commits would come at the end of a turn that others wait for already. */
export function turnForCommit ({ slicer }: Engine, records: number): Promise<void> | undefined {
  return records > MIN_LONG || (records > MAX_STEPS_AT_ONCE && slicer.isSpent) ? slicer.nextTurn() : undefined
}

function isSoonDone (causes: Generator, { slicer }: Engine): boolean {
  for (let i = 0; i < STEP && !slicer.isLookDue; i++) if (causes.next().done === true) return true
  return false
}

/** A plan, and the search for what its deletes cause that was begun at a revision. */
interface Following {
  readonly plan: Plan
  readonly causes: Generator
  readonly revision: number
}

async function followInSlices (
  engine: Engine, begun: Following, build: () => Plan, options: TransactionOptions, committed: () => void
): Promise<void> {
  let { plan, causes, revision } = begun
  const commit = async (isFollowed: boolean): Promise<void> => {
    engine.commit(plan, options, isFollowed)
    committed()
    await whenDone(engine, options)
  }
  for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) {
    for (let i = 0; causes.next().done !== true; i++) {
      const turn = engine.slicer.pause(i, STEP)
      if (turn !== undefined) await turn
    }
    const turn = turnForCommit(engine, plan.steps.length)
    if (turn !== undefined) await turn
    const isFollowed = engine.revision === revision
    if (isFollowed || engine.isCurrent(plan)) return await commit(isFollowed)
    plan = build()
    causes = engine.follow(plan)
    revision = engine.revision
  }
  await commit(false)
}
