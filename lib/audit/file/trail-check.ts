import { textOf, type RawLine } from '@hamicek/noex-journal'
import { GENESIS, nameEntries, parseLine, type ChainHead, type EntryRange } from '../chain/chain.js'
import { ChainCheck } from '../chain/chain-check.js'
import { Checkpoints } from './checkpoints.js'
import { seqInName, type Segment } from './segments.js'
import { readLines } from './trail-lines.js'
import { parseNote } from './trail-notes.js'
import {
  badSidecar, describeGap, judgeTrail, type BadTrail, type TrailInput, type VerifyResult
} from './trail-verdict.js'
import { TrailWarnings } from './trail-warnings.js'

/** Verifies a trail, reading it once. Rejects when a file cannot be read. */
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

/** Reads a trail from its first to its last line and compares it with its checkpoints. */
class TrailCheck {
  readonly #trail: TrailInput
  readonly #checkpoints: Checkpoints
  readonly #warnings = new TrailWarnings()
  /** Entries up to this one may be missing. */
  readonly #afterSeq: number
  readonly #startSeq: number
  readonly #chain: ChainCheck
  /** The current line. */
  #position: { file: string, line: number }
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
    this.#position = { file, line: 0 }
  }

  async run (): Promise<VerifyResult> {
    const bad = await this.#resume(this.#startSeq) ?? await this.#readSegments() ?? this.#checkEnd()
    return bad ?? judgeTrail({
      trail: this.#trail,
      checkpoints: this.#checkpoints,
      warnings: this.#warnings,
      startSeq: this.#startSeq,
      head: this.#chain.head,
      entries: this.#entries,
      isFirstUnchecked: this.#isFirstUnchecked,
      lostBefore: this.#lostBefore,
      uncovered: this.#uncovered,
      unsigned: this.#unsigned
    })
  }

  async #readSegments (): Promise<BadTrail | undefined> {
    const { segments, last } = this.#trail
    for (const segment of segments) {
      const isLast = segment === segments.at(-1)
      this.#position = { file: segment.file, line: 0 }
      for await (const lines of readLines(isLast ? last : segment.file)) {
        for (const raw of lines) {
          this.#position.line += 1
          const bad = await this.#beginSegment(raw) ?? await this.#checkLine(raw)
          if (bad !== undefined) return bad
        }
      }
      if (!isLast) this.#checkCovered(segment)
    }
    return undefined
  }

  /** Checks the first line of a segment: entries before it may be missing. */
  async #beginSegment (raw: RawLine): Promise<BadTrail | undefined> {
    if (this.#position.line > 1) return undefined
    const text = textOf(raw) ?? ''
    const note = parseNote(text)
    const lost = note?.operation === 'audit.lost' ? note.range : undefined
    if (this.#position.file === this.#trail.segments[0]?.file) this.#lostBefore = lost
    const gap = { from: this.#chain.head.seq + 1, to: (parseLine(text)?.seq ?? 0) - 1 }
    if (gap.to < gap.from) return undefined
    if (gap.to <= this.#afterSeq) return await this.#resume(gap.to)
    return this.#bad(1, describeGap(gap, this.#startSeq, lost))
  }

  /** Continues after an entry that is missing; a checkpoint may state its hash. */
  async #resume (seq: number): Promise<BadTrail | undefined> {
    const hash = seq === 0 ? GENESIS : await this.#checkpoints.hashAt(seq)
    this.#chain.resume({ seq, hash })
    // Up to a trusted checkpoint, that checkpoint verifies the hash.
    this.#isFirstUnchecked ||= hash === undefined && seq >= this.#afterSeq
    const wrong = hash === undefined ? undefined : await this.#checkpoints.compare({ seq, hash })
    if (wrong === undefined) return undefined
    return this.#bad(1, `the hash before the first entry is not the one that a checkpoint states (${wrong})`)
  }

  async #checkLine (raw: RawLine): Promise<BadTrail | undefined> {
    const { line } = this.#position
    const problem = this.#chain.next(raw)
    if (problem !== undefined) return this.#bad(line, problem)
    const { seq, hash } = this.#chain.head as ChainHead
    this.#entries += 1
    this.#warnings.add(raw, seq)
    this.#checkSigned(seq)
    if (seq < this.#checkpoints.nextSeq) return undefined
    const wrong = await this.#checkpoints.compare({ seq, hash })
    if (wrong !== undefined) {
      return {
        ...this.#bad(line, `the hash of the line is not the one that a checkpoint states (${wrong})`),
        seq
      }
    }
    this.#warnings.cover()
    return undefined
  }

  /** Where checkpoints must be signed, records entries that a start found without any. */
  #checkSigned (seq: number): void {
    const { unsigned } = this.#warnings
    if (unsigned?.seq !== seq || unsigned.to <= this.#afterSeq || this.#trail.publicKey === undefined) return
    const problem = `the checkpoints of ${nameEntries({ from: 1, to: unsigned.to })} are gone: ` +
      'a start has signed them as they were (audit.unsealed)'
    this.#unsigned = { ...this.#bad(this.#position.line, problem), seq }
  }

  /** Checks that a checkpoint states the end of a closed segment: closing makes one. */
  #checkCovered ({ file, firstSeq }: Segment): void {
    const { seq } = this.#chain.head
    const hasAny = this.#checkpoints.count > 0 || this.#checkpoints.next !== undefined
    const isClosed = firstSeq !== undefined && seqInName(file) === firstSeq
    const isCovered = seq <= this.#afterSeq || this.#checkpoints.lastSeq === seq
    if (!this.#trail.hasOwnSidecars || !hasAny || !isClosed || isCovered) return
    this.#uncovered ??= badSidecar(
      this.#trail,
      `no checkpoint states entry ${seq}, with which ${file} was closed: checkpoints are missing`
    )
  }

  /** Checks that the trail reaches to its last checkpoint. */
  #checkEnd (): BadTrail | undefined {
    const { next } = this.#checkpoints
    if (next === undefined) return undefined
    const missing = nameEntries({ from: this.#chain.head.seq + 1, to: next.checkpoint.seq })
    const problem = `${missing}: missing; the trail ends here, ` +
      `but a checkpoint states entry ${next.checkpoint.seq} (${next.origin})`
    return this.#bad(this.#position.line + 1, problem)
  }

  #bad (line: number, problem: string): BadTrail {
    return { ok: false, ...this.#position, line, seq: this.#chain.head.seq + 1, problem }
  }
}
