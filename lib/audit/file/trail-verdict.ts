import type { KeyObject } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { GENESIS, nameEntries, type EntryRange } from '../chain/chain.js'
import type { Head } from '../chain/chain-check.js'
import type { Checkpoint } from '../chain/checkpoint.js'
import type { LineProblem } from './checkpoint-reader.js'
import type { Checkpoints } from './checkpoints.js'
import { TrailFiles, type Segment } from './segments.js'
import type { TrailWarnings } from './trail-warnings.js'

/** The result for a trail whose every byte is as it was written, as far as its checkpoints reach. */
export interface GoodTrail {
  readonly ok: true
  readonly entries: number
  /** Above 1 when old segments have been removed; 0 without entries. */
  readonly firstSeq: number
  readonly lastSeq: number
  readonly lastHash: string
  /** Checkpoints that were compared, those of removed entries included. */
  readonly checkpoints: number
  /** Entries after the last checkpoint: whether entries are missing at the end cannot be detected. */
  readonly sinceCheckpoint: number
  /** Facts that could not be checked. */
  readonly warnings: readonly string[]
}

/** The first bad line in the order of entries; damaged checkpoints come after all entries. */
export interface BadTrail extends LineProblem {
  readonly ok: false
  /** The number of the entry that is expected there. */
  readonly seq?: number
}

export type VerifyResult = GoodTrail | BadTrail

/** The files of a trail, and how to verify them. */
export interface TrailInput {
  /** At least one, in the order of their entries. */
  readonly segments: readonly Segment[]
  /** The last segment, opened. The caller closes it. */
  readonly last: FileHandle
  /** Checkpoint files. */
  readonly sidecars: readonly string[]
  /** Whether the sidecars are the files beside the segments, which state the end of each closed segment. */
  readonly hasOwnSidecars: boolean
  /** `undefined` when the names of the files do not contain it. */
  readonly name: string | undefined
  readonly publicKey: KeyObject | undefined
  readonly anchor?: Checkpoint | undefined
  readonly after?: Checkpoint | undefined
}

/** The findings after the last line of a trail. */
interface TrailFindings {
  readonly trail: TrailInput
  readonly checkpoints: Checkpoints
  readonly warnings: TrailWarnings
  /** The number before the first entry. */
  readonly startSeq: number
  readonly head: Head
  readonly entries: number
  /** Whether no checkpoint states the hash before the first entry. */
  readonly isFirstUnchecked: boolean
  /** The entries before the first one that are lost, as the first entry says. */
  readonly lostBefore: EntryRange | undefined
  /** A closed segment whose end no checkpoint states. */
  readonly uncovered: BadTrail | undefined
  /** Entries that a start found without checkpoints, where each should be signed. */
  readonly unsigned: BadTrail | undefined
}

/**
 * Returns the result for a trail whose lines are good: checks its beginning, its checkpoints and signatures.
 */
export function judgeTrail (findings: TrailFindings): VerifyResult {
  return checkBeginning(findings) ?? checkSidecars(findings) ?? findings.unsigned ?? goodTrail(findings)
}

/** Returns the result for a problem of the checkpoints as a whole. */
export function badSidecar ({ sidecars, segments }: TrailInput, problem: string): BadTrail {
  const file = sidecars.at(-1) ?? TrailFiles.of((segments.at(-1) as Segment).file).checkpoints
  return { ok: false, file, line: 1, problem }
}

/** Describes missing entries; `lost` are those that the next entry reports as lost. */
export function describeGap (gap: EntryRange, startSeq: number, lost: EntryRange | undefined): string {
  let why = 'the trail does not say that keep has removed them'
  if (gap.from > startSeq + 1) why = 'there are others before and after them'
  if (lost?.to === gap.to) {
    why = 'the trail says that their file was removed, replaced or cut while it was written (audit.lost)'
  }
  const verb = gap.from === gap.to ? 'is' : 'are'
  return `${nameEntries(gap)} ${verb} gone: ${why}; ` +
    `with the checkpoint of entry ${gap.to} or a later one as "after", the rest is verified`
}

/** Checks that the trail begins with its first entry, or the first that `keep` has left. */
function checkBeginning (findings: TrailFindings): BadTrail | undefined {
  const gap = beginningGap(findings)
  if (gap === undefined || isOfOldFormat(findings)) return undefined
  const { trail, startSeq, lostBefore } = findings
  const [{ file }] = trail.segments as [Segment]
  return { ok: false, file, line: 1, seq: gap.from, problem: describeGap(gap, startSeq, lostBefore) }
}

function beginningGap ({ trail, checkpoints, warnings, startSeq }: TrailFindings): EntryRange | undefined {
  const pruned = warnings.prunedTo(trail.publicKey !== undefined)
  const from = Math.max(trail.after?.seq ?? 0, pruned, (checkpoints.first ?? 1) - 1) + 1
  return startSeq < from ? undefined : { from, to: startSeq }
}

/** Returns whether the trail is of version 0.1, which did not record the removal of old segments. */
function isOfOldFormat ({ trail, checkpoints, lostBefore }: TrailFindings): boolean {
  const isUnrecorded = checkpoints.count > 0 && checkpoints.first === undefined
  return isUnrecorded && trail.after === undefined && lostBefore === undefined
}

/** Checks that the checkpoints are complete, of this trail, and signed where there is a key. */
function checkSidecars ({ trail, checkpoints, entries, uncovered }: TrailFindings): BadTrail | undefined {
  const { problem, names } = checkpoints
  const { publicKey, name, anchor } = trail
  if (problem !== undefined) return { ok: false, ...problem }
  if (uncovered !== undefined) return uncovered
  const [last, signedTo = anchor?.seq ?? 0] = names.at(-1) ?? []
  if (last !== undefined && name !== undefined && last !== name) {
    return badSidecar(trail, `the checkpoints are of the trail "${last}", not of "${name}": ` +
      'when its files were renamed, give that name as "stream"')
  }
  if (publicKey === undefined || entries === 0 || signedTo > 0) return undefined
  return badSidecar(trail, 'there is no checkpoint, so nothing here is signed')
}

function goodTrail (findings: TrailFindings): GoodTrail {
  const { checkpoints, startSeq, head, entries } = findings
  const { count, lastSeq = 0 } = checkpoints
  return {
    ok: true,
    entries,
    firstSeq: entries === 0 ? 0 : startSeq + 1,
    lastSeq: head.seq,
    lastHash: head.hash ?? GENESIS,
    checkpoints: count,
    sinceCheckpoint: Math.min(entries, head.seq - lastSeq),
    warnings: warningsOf(findings)
  }
}

function warningsOf (findings: TrailFindings): string[] {
  const { checkpoints, startSeq, isFirstUnchecked } = findings
  const warnings = findings.warnings.texts()
  const gap = beginningGap(findings)
  if (gap !== undefined) {
    warnings.push(`${nameEntries(gap)} are gone, ` +
      'and checkpoints of version 0.1 do not tell whether keep has removed them: ' +
      'the next start states what is there from then on')
  }
  for (const [name, until] of checkpoints.names.slice(0, -1)) {
    warnings.push(`up to entry ${until}, checkpoints are of the trail "${name}"`)
  }
  if (isFirstUnchecked) {
    warnings.push(`no checkpoint states the hash before entry ${startSeq + 1}: ` +
      'whether this first line was changed could not be checked')
  }
  if (checkpoints.count === 0) {
    warnings.push('there is no checkpoint: whether entries are missing at the end could not be checked')
  }
  return warnings
}
