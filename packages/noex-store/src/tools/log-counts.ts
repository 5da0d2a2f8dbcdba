import type { Identity } from '../log/identity.js'
import type { ImageFile } from './image-file.js'
import { changesOf, differenceOf, RunningCounts, type Counts } from './record-counts.js'

/** Counts records along a log, from its beginning or the oldest snapshot on, and compares with snapshots. */
export class LogCounts {
  readonly #identity: Identity | undefined
  readonly #snapshots: readonly ImageFile[]
  #running: RunningCounts | undefined
  #last = 0
  #fault: string | undefined

  /** `snapshots`: those that are whole, oldest first. */
  constructor (identity: Identity | undefined, snapshots: readonly ImageFile[]) {
    this.#identity = identity
    this.#snapshots = snapshots
  }

  /** The first thing that does not fit. */
  get fault (): string | undefined {
    return this.#fault
  }

  /** Takes the text of the next commit of the log. */
  add (text: string, revision: number): void {
    this.#last = revision
    if (this.#fault !== undefined) return
    try {
      this.#running ??= this.#startBefore(revision)
      if (this.#running === undefined) changesOf(text)
      else this.#running.add(text)
      this.#compare(revision)
    } catch (error) {
      this.#fault = `revision ${revision} of the log ${(error as Error).message}: ` +
        'bring its files back from a backup'
    }
  }

  /** The counts at the newest revision; `undefined` where they are not known. */
  atEnd (): Counts | undefined {
    if (this.#fault !== undefined) return undefined
    const newest = this.#snapshots.at(-1)
    if (newest !== undefined && newest.revision >= this.#last) return newest.counts
    return this.#running?.counts
  }

  #startBefore (revision: number): RunningCounts | undefined {
    const snapshot = this.#snapshots.find(file => file.revision === revision - 1)
    if (snapshot !== undefined) return new RunningCounts(snapshot.counts)
    const isFirst = this.#identity?.snapshot === undefined && this.#identity?.first === revision
    return isFirst ? new RunningCounts() : undefined
  }

  #compare (revision: number): void {
    const snapshot = this.#snapshots.find(file => file.revision === revision)
    if (snapshot === undefined || this.#running === undefined) return
    const bucket = differenceOf(this.#running.counts, snapshot.counts)
    if (bucket === undefined) return
    throw new Error(`gives bucket ${JSON.stringify(bucket)} ${this.#running.counts.get(bucket) ?? 'no'} ` +
      `records, and ${snapshot.path} ${snapshot.counts.get(bucket) ?? 'none'}`)
  }
}
