import type { KeyObject } from 'node:crypto'
import { textOf, type RawLine } from '@hamicek/noex-journal'
import { GENESIS } from '../chain/chain.js'
import { digestOf, parseCheckpointLine, signatureProblem, type Checkpoint } from '../chain/checkpoint.js'
import { readLines } from './trail-lines.js'

/** A problem with one line of a file. */
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
  /** A trusted checkpoint: those up to it need not be signed or complete, and the next may follow it. */
  readonly after?: Checkpoint | undefined
}

/** Checks the lines of a checkpoint file in order. */
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

  /** Whether the last good checkpoint follows the trusted one or precedes it: earlier lines do not matter. */
  get isTrusted (): boolean {
    return this.#isTrusted
  }

  /** Returns the checkpoint of the next line, or the problem of the line as a text. */
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

/** Reads the checkpoints of one file in order, up to the size that it had when it was opened. */
export class CheckpointReader {
  readonly #file: string
  readonly #lines: AsyncGenerator<RawLine[], void, undefined>
  readonly #check: CheckpointCheck
  readonly #isLenient: boolean
  #waiting: RawLine[] = []
  #line = 0
  /** The next checkpoint; `undefined` after the last, and from a damaged one onwards. */
  current: Checkpoint | undefined
  /** Why there is no next checkpoint, except at the end of the file. */
  problem: LineProblem | undefined

  constructor (file: string, size: number, options: CheckOptions) {
    this.#file = file
    this.#lines = readLines(file, { end: size })
    this.#check = new CheckpointCheck(options)
    this.#isLenient = options.after !== undefined
  }

  /** File and line of the current checkpoint, for messages. */
  get origin (): string {
    return `${this.#file}:${this.#line}`
  }

  /** Reads the next checkpoint. Rejects when the file cannot be read. */
  async advance (): Promise<void> {
    this.current = undefined
    let bad: LineProblem | undefined
    for (let raw = await this.#nextLine(); raw !== undefined; raw = await this.#nextLine()) {
      this.#line += 1
      const checked = this.#check.next(raw)
      if (typeof checked === 'string') {
        bad ??= { file: this.#file, line: this.#line, problem: checked }
        if (!this.#isLenient) break
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
