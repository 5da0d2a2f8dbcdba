import type { KeyObject } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { textOf, type RawLine } from '@hamicek/noex-journal'
import { GENESIS, type ChainHead } from '../chain/chain.js'
import { digestOf, hasGoodSignature, parseCheckpointLine, type Checkpoint } from '../chain/checkpoint.js'
import { readLines } from './trail-lines.js'

/** What is wrong with a line of a file. */
export interface LineProblem {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  readonly problem: string
}

/** How the lines of a checkpoint file are checked. */
export interface CheckOptions {
  /** With it, every checkpoint must be signed. */
  readonly publicKey?: KeyObject | undefined
  /**
   * A checkpoint that is trusted: those up to it need not be signed nor complete, and the next may follow it.
   */
  readonly after?: Checkpoint | undefined
}

/** Checks the lines of a checkpoint file, one after the other. */
export class CheckpointCheck {
  readonly #publicKey: KeyObject | undefined
  readonly #afterSeq: number
  readonly #afterDigest: string | undefined
  #lastSeq = -1
  #lastDigest = GENESIS
  #isTrusted = false

  constructor ({ publicKey, after }: CheckOptions = {}) {
    this.#publicKey = publicKey
    this.#afterSeq = after?.seq ?? -1
    this.#afterDigest = after && digestOf(after)
  }

  /**
   * Whether the last good checkpoint is one up to the trusted one, or follows it: lines before it do not
   * matter.
   */
  get isTrusted (): boolean {
    return this.#isTrusted
  }

  /** The checkpoint in the next line, or a text that says what is wrong with the line. */
  next (raw: RawLine): Checkpoint | string {
    if (!raw.ended) return 'the line does not end with a line feed'
    const text = textOf(raw)
    const checkpoint = text === undefined ? undefined : parseCheckpointLine(text)
    if (checkpoint === undefined) return 'the checkpoint is damaged'
    const { seq, previous } = checkpoint
    const isOld = seq <= this.#afterSeq
    if (seq <= this.#lastSeq) {
      return `the checkpoint is for entry ${seq}, but one for entry ${this.#lastSeq} comes before it`
    }
    if (previous !== this.#lastDigest && previous !== this.#afterDigest && !isOld) {
      return `the checkpoint for entry ${seq} does not follow the one before it: lines are missing or changed`
    }
    this.#lastSeq = seq
    this.#lastDigest = digestOf(checkpoint)
    this.#isTrusted = isOld || previous === this.#afterDigest
    return isOld ? checkpoint : signatureProblem(checkpoint, this.#publicKey) ?? checkpoint
  }
}

/** What is wrong with a signature; nothing is without a key. */
export function signatureProblem (
  checkpoint: Checkpoint,
  publicKey: KeyObject | undefined
): string | undefined {
  if (publicKey === undefined || hasGoodSignature(checkpoint, publicKey)) return undefined
  return `the checkpoint for entry ${checkpoint.seq} ${checkpoint.signature === undefined ? 'is not signed' : 'has a signature of another key or text'}`
}

/** A checkpoint that is known already: it is compared like those of a file. */
export interface KnownCheckpoint {
  readonly checkpoint: Checkpoint
  /** Where it comes from, for messages. */
  readonly origin: string
}

/** Reads the checkpoints of one file in the order of seq, as far as the file went when it was opened. */
class CheckpointReader {
  readonly #file: string
  readonly #lines: AsyncGenerator<RawLine[], void, undefined>
  readonly #check: CheckpointCheck
  readonly #mayForgive: boolean
  #waiting: RawLine[] = []
  #line = 0
  /** The next checkpoint; `undefined` after the last, and from a damaged one on. */
  current: Checkpoint | undefined
  /** Why there is no next one, unless the file is at its end. */
  problem: LineProblem | undefined

  constructor (file: string, size: number, options: CheckOptions) {
    this.#file = file
    this.#lines = readLines(file, { end: size })
    this.#check = new CheckpointCheck(options)
    this.#mayForgive = options.after !== undefined
  }

  get origin (): string {
    return `${this.#file}:${this.#line}`
  }

  async advance (): Promise<void> {
    this.current = undefined
    let bad: LineProblem | undefined
    for (let raw = await this.#nextLine(); raw !== undefined; raw = await this.#nextLine()) {
      this.#line += 1
      const checked = this.#check.next(raw)
      if (typeof checked === 'string') {
        bad ??= { file: this.#file, line: this.#line, problem: checked }
        if (!this.#mayForgive) break
      } else if (bad === undefined || this.#check.isTrusted) {
        this.current = checked
        return
      } else {
        break
      }
    }
    this.problem = bad
  }

  async #nextLine (): Promise<RawLine | undefined> {
    while (this.#waiting.length === 0) {
      const { value, done } = await this.#lines.next()
      if (done === true) return undefined
      this.#waiting = value.reverse()
    }
    return this.#waiting.pop()
  }

  async close (): Promise<void> {
    await this.#lines.return()
  }
}

/** Names of a trail that are held: files that were made to deceive may have any number. */
const MAX_NAMES = 16

/** The checkpoints of several files, to be compared with a trail as it is read. */
export class Checkpoints {
  readonly #readers: CheckpointReader[]
  #known: readonly KnownCheckpoint[]
  #nextSeq = Infinity
  #compared = 0
  #lastSeq: number | undefined
  #first: number | undefined
  /** The names of the trail, each with the number of the last entry for which it was used. */
  readonly #names = new Map<string, number>()

  private constructor (readers: CheckpointReader[], known: readonly KnownCheckpoint[]) {
    this.#readers = readers
    this.#known = known
  }

  /** It rejects when a file cannot be read. */
  static async open (
    files: readonly string[],
    options: CheckOptions,
    known: readonly KnownCheckpoint[]
  ): Promise<Checkpoints> {
    const readers: CheckpointReader[] = []
    // Before the trail is read: what is written meanwhile is ahead of these, never behind.
    for (const file of files) {
      const stats = await stat(file)
      if (!stats.isFile()) throw new Error(`${file} is not a file`)
      readers.push(new CheckpointReader(file, stats.size, options))
    }
    const checkpoints = new Checkpoints(readers, known)
    for (const reader of readers) await reader.advance()
    checkpoints.#look()
    return checkpoints
  }

  /** The seq of the next checkpoint: with an entry before that, there is nothing to compare. */
  get nextSeq (): number {
    return this.#nextSeq
  }

  /** Checkpoints that have been read, also those for entries before the trail's first. */
  get count (): number {
    return this.#compared
  }

  /** The seq of the last checkpoint that has been compared; `undefined` before. */
  get lastSeq (): number | undefined {
    return this.#lastSeq
  }

  /**
   * The first entry that the files say must be there; `undefined` when they do not say, as those of version
   * 0.1.
   */
  get first (): number | undefined {
    return this.#first
  }

  /** The names that the files give to the trail, in the order of their last use. */
  get names (): ReadonlyArray<readonly [name: string, lastSeq: number]> {
    return [...this.#names].sort(([, a], [, b]) => a - b)
  }

  /** The hash that a checkpoint states for an entry. To be asked in the order of seq. */
  async hashAt (seq: number): Promise<string | undefined> {
    await this.#pass(seq)
    return this.#next().find(({ checkpoint }) => checkpoint.seq === seq)?.checkpoint.hash
  }

  /** Compares what is stated about an entry. Returns the origin of a checkpoint that states another hash. */
  async compare ({ seq, hash }: ChainHead): Promise<string | undefined> {
    const wrong = this.#next().find(({ checkpoint }) => checkpoint.seq === seq && checkpoint.hash !== hash)
    if (wrong !== undefined) return wrong.origin
    await this.#pass(seq + 1)
    return undefined
  }

  /** The next checkpoint, when there is one. */
  get next (): KnownCheckpoint | undefined {
    return this.#next()[0]
  }

  /** The first line that is no good checkpoint, when one has been met. */
  get problem (): LineProblem | undefined {
    return this.#readers.find(reader => reader.problem !== undefined)?.problem
  }

  async close (): Promise<void> {
    for (const reader of this.#readers) await reader.close()
  }

  #next (): KnownCheckpoint[] {
    const next = [...this.#known]
    for (const { current, origin } of this.#readers) {
      if (current !== undefined) next.push({ checkpoint: current, origin })
    }
    return next
  }

  /** Passes over the checkpoints before `seq`. */
  async #pass (seq: number): Promise<void> {
    for (const reader of this.#readers) {
      while (reader.current !== undefined && reader.current.seq < seq) {
        this.#count(reader.current)
        this.#describe(reader.current)
        await reader.advance()
      }
    }
    for (const { checkpoint } of this.#known) if (checkpoint.seq < seq) this.#count(checkpoint)
    this.#known = this.#known.filter(({ checkpoint }) => checkpoint.seq >= seq)
    this.#look()
  }

  #count ({ seq }: Checkpoint): void {
    this.#compared += 1
    this.#lastSeq = Math.max(seq, this.#lastSeq ?? 0)
  }

  /** Keeps what a checkpoint of the files says about the whole trail. */
  #describe ({ stream, seq, first }: Checkpoint): void {
    if (first !== undefined) this.#first = Math.max(first, this.#first ?? 1)
    if (this.#names.size < MAX_NAMES || this.#names.has(stream)) {
      this.#names.set(stream, Math.max(seq, this.#names.get(stream) ?? 0))
    }
  }

  #look (): void {
    this.#nextSeq = Math.min(...this.#next().map(({ checkpoint }) => checkpoint.seq))
  }
}
