import { stat } from 'node:fs/promises'
import type { ChainHead } from '../chain/chain.js'
import type { Checkpoint } from '../chain/checkpoint.js'
import { CheckpointReader, type CheckOptions, type LineProblem } from './checkpoint-reader.js'

/** A checkpoint that the caller supplies; it is compared like those of a file. */
interface KnownCheckpoint {
  readonly checkpoint: Checkpoint
  /** Its source, for messages. */
  readonly origin: string
}

/** Maximum number of names of a trail: forged files may have any number. */
const MAX_NAMES = 16

/** Compares a trail, while it is read, with the checkpoints of several files. */
export class Checkpoints {
  readonly #readers: CheckpointReader[]
  #known: readonly KnownCheckpoint[]
  #nextSeq = Infinity
  #compared = 0
  #lastSeq: number | undefined
  #first: number | undefined
  /** The names of the trail, each with the number of the last entry that was written under it. */
  readonly #names = new Map<string, number>()

  private constructor (readers: CheckpointReader[], known: readonly KnownCheckpoint[]) {
    this.#readers = readers
    this.#known = known
  }

  /** Opens the files. Rejects when one cannot be read. */
  static async open (
    files: readonly string[],
    options: CheckOptions,
    known: readonly KnownCheckpoint[]
  ): Promise<Checkpoints> {
    const readers: CheckpointReader[] = []
    // Opened before the trail is read: entries written meanwhile come after these checkpoints, never before.
    for (const file of files) {
      const stats = await stat(file)
      if (!stats.isFile()) throw new Error(`${file} is not a file`)
      readers.push(new CheckpointReader(file, stats.size, options))
    }
    const checkpoints = new Checkpoints(readers, known)
    for (const reader of readers) await reader.advance()
    checkpoints.#updateNext()
    return checkpoints
  }

  /** The entry number of the next checkpoint: entries before it need no comparison. */
  get nextSeq (): number {
    return this.#nextSeq
  }

  /** Number of checkpoints compared, those for entries before the trail's first included. */
  get count (): number {
    return this.#compared
  }

  /** The entry number of the last checkpoint compared; `undefined` before the first. */
  get lastSeq (): number | undefined {
    return this.#lastSeq
  }

  /** The first entry that must exist, as the files state it; `undefined` in files of version 0.1. */
  get first (): number | undefined {
    return this.#first
  }

  /** The names of the trail in the files, in the order of their last use. */
  get names (): ReadonlyArray<readonly [name: string, lastSeq: number]> {
    return [...this.#names].sort(([, a], [, b]) => a - b)
  }

  /** Returns the hash that a checkpoint states for an entry. Must be called in the order of entries. */
  async hashAt (seq: number): Promise<string | undefined> {
    await this.#pass(seq)
    return this.#next().find(({ checkpoint }) => checkpoint.seq === seq)?.checkpoint.hash
  }

  /** Compares an entry with its checkpoints. Returns the origin of one that states another hash. */
  async compare ({ seq, hash }: ChainHead): Promise<string | undefined> {
    const wrong = this.#next().find(({ checkpoint }) => checkpoint.seq === seq && checkpoint.hash !== hash)
    if (wrong !== undefined) return wrong.origin
    await this.#pass(seq + 1)
    return undefined
  }

  /** The next checkpoint, if there is one. */
  get next (): KnownCheckpoint | undefined {
    return this.#next()[0]
  }

  /** The first bad line of the files read so far. */
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

  /** Counts the checkpoints before `seq` and moves on. */
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
    this.#updateNext()
  }

  #count ({ seq }: Checkpoint): void {
    this.#compared += 1
    this.#lastSeq = Math.max(seq, this.#lastSeq ?? 0)
  }

  /** Keeps the statements of a checkpoint about the whole trail. */
  #describe ({ stream, seq, first }: Checkpoint): void {
    if (first !== undefined) this.#first = Math.max(first, this.#first ?? 1)
    if (this.#names.size < MAX_NAMES || this.#names.has(stream)) {
      this.#names.set(stream, Math.max(seq, this.#names.get(stream) ?? 0))
    }
  }

  #updateNext (): void {
    this.#nextSeq = Math.min(...this.#next().map(({ checkpoint }) => checkpoint.seq))
  }
}
