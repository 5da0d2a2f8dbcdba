import type { KeyObject } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { textOf, type RawLine } from '@hamicek/noex-journal'
import { TrailWarnings } from './trail-warnings.js'
import { GENESIS, parseLine, type ChainHead } from '../chain/chain.js'
import { ChainCheck } from '../chain/chain-check.js'
import type { Checkpoint } from '../chain/checkpoint.js'
import { Checkpoints, type LineProblem } from './checkpoint-reader.js'
import { seqInName, TrailFiles } from './segments.js'
import { readLines } from './trail-lines.js'
import { nameEntries, parseNote, type EntryRange } from './trail-notes.js'
import type { Segment } from './trail-reader.js'

/** A trail whose every byte is as it was written, as far as its checkpoints reach. */
export interface GoodTrail {
  readonly ok: true
  readonly entries: number
  /** Above 1 when old segments have been removed; 0 without entries. */
  readonly firstSeq: number
  readonly lastSeq: number
  readonly lastHash: string
  /** Checkpoints that were compared, also those of entries that have been removed. */
  readonly checkpoints: number
  /** Entries after the last checkpoint: whether some are missing at the end cannot be seen. */
  readonly sinceCheckpoint: number
  /** What could not be checked. */
  readonly warnings: readonly string[]
}

/** The first bad line in the order of seq; damaged checkpoints come after all entries. */
export interface BadTrail extends LineProblem {
  readonly ok: false
  /** The number of the entry that should stand there. */
  readonly seq?: number
}

export type VerifyResult = GoodTrail | BadTrail

/** A trail to be read. */
export interface TrailInput {
  /** At least one, in the order of their entries. */
  readonly segments: readonly Segment[]
  /** The last segment, opened. */
  readonly last: FileHandle
  readonly sidecars: readonly string[]
  /**
   * Whether the sidecars are those that stand beside the segments: they then state the end of each closed
   * one.
   */
  readonly hasOwnSidecars: boolean
  /** `undefined` when the files do not tell. */
  readonly name: string | undefined
  readonly publicKey: KeyObject | undefined
  readonly anchor?: Checkpoint | undefined
  readonly after?: Checkpoint | undefined
}

/** Reads a trail once. */
export async function checkTrail (trail: TrailInput): Promise<VerifyResult> {
  const { sidecars, publicKey, anchor, after, name } = trail
  if (after !== undefined && name !== undefined && after.stream !== name) {
    return {
      ok: false,
      file: 'after',
      line: 1,
      problem: `the checkpoint is of the trail "${after.stream}", not of "${name}"`
    }
  }
  const known = Object.entries({ anchor, after }).flatMap(
    ([origin, checkpoint]) => checkpoint === undefined ? [] : [{ checkpoint, origin }]
  )
  const checkpoints = await Checkpoints.open(sidecars, { publicKey, after }, known)
  try {
    return await new TrailCheck(trail, checkpoints).run()
  } finally {
    await checkpoints.close()
  }
}

/** Reads a trail from its first to its last line. */
class TrailCheck {
  readonly #trail: TrailInput
  readonly #checkpoints: Checkpoints
  readonly #admissions = new TrailWarnings()
  /** Entries up to this one may be missing. */
  readonly #afterSeq: number
  readonly #startSeq: number
  readonly #chain: ChainCheck
  /** The line that is read. */
  #place: { file: string, line: number }
  #entries = 0
  #isFirstUnchecked = false
  #lostBefore: EntryRange | undefined
  #uncovered: BadTrail | undefined
  #unsigned: BadTrail | undefined

  constructor (trail: TrailInput, checkpoints: Checkpoints) {
    const [{ file, firstSeq }] = trail.segments as [Segment]
    this.#trail = trail
    this.#checkpoints = checkpoints
    this.#afterSeq = trail.after?.seq ?? 0
    this.#startSeq = (firstSeq ?? seqInName(file) ?? 1) - 1
    this.#chain = new ChainCheck({ seq: this.#startSeq, hash: undefined })
    this.#place = { file, line: 0 }
  }

  async run (): Promise<VerifyResult> {
    const bad = await this.#resume(this.#startSeq) ?? await this.#readSegments() ??
      this.#checkEnd() ?? this.#checkBeginning()
    return bad ?? this.#checkSidecars() ?? this.#unsigned ?? this.#goodTrail()
  }

  async #readSegments (): Promise<BadTrail | undefined> {
    const { segments, last } = this.#trail
    for (const segment of segments) {
      const isLast = segment === segments.at(-1)
      this.#place = { file: segment.file, line: 0 }
      for await (const lines of readLines(isLast ? last : segment.file)) {
        for (const raw of lines) {
          this.#place.line += 1
          const bad = await this.#beginSegment(raw) ?? await this.#checkLine(raw)
          if (bad !== undefined) return bad
        }
      }
      if (!isLast) this.#checkCovered(segment)
    }
    return undefined
  }

  /** Looks at the first line of a segment: entries before it may be missing. */
  async #beginSegment (raw: RawLine): Promise<BadTrail | undefined> {
    if (this.#place.line > 1) return undefined
    const text = textOf(raw) ?? ''
    const note = parseNote(text)
    const lost = note?.operation === 'audit.lost' ? note.range : undefined
    if (this.#place.file === this.#trail.segments[0]?.file) this.#lostBefore = lost
    const gap = { from: this.#chain.head.seq + 1, to: (parseLine(text)?.seq ?? 0) - 1 }
    if (gap.to < gap.from) return undefined
    if (gap.to <= this.#afterSeq) return await this.#resume(gap.to)
    return this.#bad(1, this.#nameGap(gap, lost))
  }

  /** Goes on behind an entry that is not there; a checkpoint may state its hash. */
  async #resume (seq: number): Promise<BadTrail | undefined> {
    const hash = seq === 0 ? GENESIS : await this.#checkpoints.hashAt(seq)
    this.#chain.resume({ seq, hash })
    // Up to a checkpoint that is trusted, that one shows it.
    this.#isFirstUnchecked ||= hash === undefined && seq >= this.#afterSeq
    const wrong = hash === undefined ? undefined : await this.#checkpoints.compare({ seq, hash })
    if (wrong === undefined) return undefined
    return this.#bad(1, `the hash before the first entry is not the one that a checkpoint states (${wrong})`)
  }

  async #checkLine (raw: RawLine): Promise<BadTrail | undefined> {
    const { line } = this.#place
    const problem = this.#chain.next(raw)
    if (problem !== undefined) return this.#bad(line, problem)
    const { seq, hash } = this.#chain.head as ChainHead
    this.#entries += 1
    this.#admissions.look(raw, seq)
    this.#checkSealed(seq)
    if (seq < this.#checkpoints.nextSeq) return undefined
    const wrong = await this.#checkpoints.compare({ seq, hash })
    if (wrong !== undefined) {
      return {
        ...this.#bad(line, `the hash of the line is not the one that a checkpoint states (${wrong})`),
        seq
      }
    }
    this.#admissions.cover()
    return undefined
  }

  /** Where checkpoints are signed, entries of which a start found none have no signature of their time. */
  #checkSealed (seq: number): void {
    const { unsigned } = this.#admissions
    if (unsigned?.seq !== seq || unsigned.to <= this.#afterSeq || this.#trail.publicKey === undefined) return
    const problem = `the checkpoints of ${nameEntries({ from: 1, to: unsigned.to })} are gone: ` +
      'a start has signed them as they were (audit.unsealed)'
    this.#unsigned = { ...this.#bad(this.#place.line, problem), seq }
  }

  /** A segment is closed with a checkpoint, so one that is missing has been taken away. */
  #checkCovered ({ file, firstSeq }: Segment): void {
    const { seq } = this.#chain.head
    const hasAny = this.#checkpoints.count > 0 || this.#checkpoints.next !== undefined
    const isClosed = firstSeq !== undefined && seqInName(file) === firstSeq
    const isCovered = seq <= this.#afterSeq || this.#checkpoints.lastSeq === seq
    if (!this.#trail.hasOwnSidecars || !hasAny || !isClosed || isCovered) {
      return
    }
    this.#uncovered ??= this.#badSidecar(
      `no checkpoint states entry ${seq}, with which ${file} was closed: checkpoints are missing`
    )
  }

  /** The trail must reach to its last checkpoint. */
  #checkEnd (): BadTrail | undefined {
    const { next } = this.#checkpoints
    if (next === undefined) return undefined
    const missing = nameEntries({ from: this.#chain.head.seq + 1, to: next.checkpoint.seq })
    const problem = `${missing}: missing; the trail ends here, ` +
      `but a checkpoint states entry ${next.checkpoint.seq} (${next.origin})`
    return this.#bad(this.#place.line + 1, problem)
  }

  /** The trail must begin with its first entry, or the first that `keep` has left. */
  #checkBeginning (): BadTrail | undefined {
    const gap = this.#beginningGap
    if (gap === undefined || this.#isOfOldFormat) return undefined
    const [{ file }] = this.#trail.segments as [Segment]
    return { ok: false, file, line: 1, seq: gap.from, problem: this.#nameGap(gap, this.#lostBefore) }
  }

  get #beginningGap (): EntryRange | undefined {
    const pruned = this.#admissions.prunedTo(this.#trail.publicKey !== undefined)
    const from = Math.max(this.#afterSeq, pruned, (this.#checkpoints.first ?? 1) - 1) + 1
    return this.#startSeq < from ? undefined : { from, to: this.#startSeq }
  }

  /** Version 0.1 has removed old segments without a word. */
  get #isOfOldFormat (): boolean {
    const { count, first } = this.#checkpoints
    const isSilent = count > 0 && first === undefined
    return isSilent && this.#trail.after === undefined && this.#lostBefore === undefined
  }

  #nameGap (gap: EntryRange, lost: EntryRange | undefined): string {
    let why = 'the trail does not say that keep has removed them'
    if (gap.from > this.#startSeq + 1) why = 'there are others before and after them'
    if (lost?.to === gap.to) {
      why = 'the trail says that their file was removed, replaced or cut while it was written (audit.lost)'
    }
    const verb = gap.from === gap.to ? 'is' : 'are'
    return `${nameEntries(gap)} ${verb} gone: ${why}; ` +
      `with the checkpoint of entry ${gap.to} or a later one as "after", the rest is verified`
  }

  /** The checkpoints must be whole, of this trail, and signed where there is a key. */
  #checkSidecars (): BadTrail | undefined {
    const { problem, names } = this.#checkpoints
    const { publicKey, name, anchor } = this.#trail
    if (problem !== undefined) return { ok: false, ...problem }
    if (this.#uncovered !== undefined) return this.#uncovered
    const [last, signedTo = anchor?.seq ?? 0] = names.at(-1) ?? []
    if (last !== undefined && name !== undefined && last !== name) {
      return this.#badSidecar(`the checkpoints are of the trail "${last}", not of "${name}": ` +
        'when its files were renamed, give that name as "stream"')
    }
    if (publicKey === undefined || this.#entries === 0 || signedTo > 0) return undefined
    return this.#badSidecar('there is no checkpoint, so nothing here is signed')
  }

  #bad (line: number, problem: string): BadTrail {
    return { ok: false, ...this.#place, line, seq: this.#chain.head.seq + 1, problem }
  }

  #badSidecar (problem: string): BadTrail {
    const { sidecars, segments } = this.#trail
    const file = sidecars.at(-1) ?? TrailFiles.of((segments.at(-1) as Segment).file).checkpoints
    return { ok: false, file, line: 1, problem }
  }

  #goodTrail (): GoodTrail {
    const { count, names, lastSeq = 0 } = this.#checkpoints
    const { seq, hash } = this.#chain.head
    const entries = this.#entries
    const warnings = this.#admissions.texts()
    const gap = this.#beginningGap
    if (gap !== undefined) {
      warnings.push(`${nameEntries(gap)} are gone, ` +
        'and checkpoints of version 0.1 do not tell whether keep has removed them: ' +
        'the next start states what is there from then on')
    }
    for (const [name, until] of names.slice(0, -1)) {
      warnings.push(`up to entry ${until}, checkpoints are of the trail "${name}"`)
    }
    if (this.#isFirstUnchecked) {
      warnings.push(`no checkpoint states the hash before entry ${this.#startSeq + 1}: ` +
        'whether this first line was changed could not be checked')
    }
    if (count === 0) {
      warnings.push('there is no checkpoint: whether entries are missing at the end could not be checked')
    }
    return {
      ok: true,
      entries,
      firstSeq: entries === 0 ? 0 : this.#startSeq + 1,
      lastSeq: seq,
      lastHash: hash ?? GENESIS,
      checkpoints: count,
      sinceCheckpoint: Math.min(entries, seq - lastSeq),
      warnings
    }
  }
}
