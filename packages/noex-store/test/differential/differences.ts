import type { Operation } from './operations.js'
import type { Observation } from './side.js'
import type { World } from './world.js'
import { readDifferences } from './differences-of-reads.js'
import { writeDifferences } from './differences-of-writes.js'
import { otherDifferences } from './differences-elsewhere.js'

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

/** Every difference to 0.2.0 that random histories may come upon. */
export const differences: readonly Difference[] = [...readDifferences, ...writeDifferences]

/** All differences, those too that named tests show. */
export const allDifferences: readonly Difference[] = [...differences, ...otherDifferences]

/** The table of differences, as the documents have it. */
export function differencesTable (): string {
  const rows = allDifferences.map(({ name, before, now, why }) => `| ${name} | ${before} | ${now} | ${why} |`)
  return ['| | 0.2.0 | here | why |', '|---|---|---|---|', ...rows].join('\n')
}
