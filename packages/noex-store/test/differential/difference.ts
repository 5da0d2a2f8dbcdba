import type { Operation } from './operations.js'
import type { Observation } from './side.js'
import type { World } from './world.js'

/** One step of a history, as far as it has come. */
export interface Step {
  readonly operation: Operation
  readonly world: World
  /** Of 0.2.0, corrected by the differences so far. */
  readonly theirs: Observation
  readonly ours: Observation
}

/** A way in which 0.2.0 is wrong, and what is right. */
export interface Difference {
  readonly name: string
  /** Behaviour of 0.2.0. */
  readonly before: string
  /** Right behaviour, which is that of this package. */
  readonly now: string
  readonly why: string
  /**
   * The operation that makes 0.2.0 do what is right for this one; `undefined` where it is right by itself.
   */
  readonly instead?: (operation: Operation, world: World) => Operation | undefined
  /** Result that 0.2.0 should have shown; `undefined` where this difference does not concern the step. */
  readonly right?: (step: Step) => Observation | undefined
  /** Recognises a step whose right end is checked by the reference and the invariants. */
  readonly isCause?: (step: Step) => boolean
}
