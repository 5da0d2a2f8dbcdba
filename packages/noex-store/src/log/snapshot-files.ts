import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sizeOf } from '@hamicek/noex-journal'
import type { SnapshotInfo } from '../types/durability.js'
import { isHeadOf } from './image-lines.js'
import type { LogNotice } from './log-messages.js'
import { readWhole, WholeFile } from './whole-file.js'

/** Snapshots that are kept: the second one serves when the first is damaged. */
const KEPT = 2
const MAX_MESSAGE = 1_048_576

/** A snapshot by its name. */
export interface SnapshotFile {
  readonly name: string
  readonly path: string
  readonly revision: number
}

/**
 * The snapshots in a directory: `snapshot.<revision>.log`, each of numbered lines with a CRC and an end. One
 * is written under the name `snapshot.new` and has its own name only when it is whole and on the disk.
 */
export class SnapshotFiles {
  readonly #directory: string
  #writing: { readonly revision: number, readonly file: WholeFile } | undefined

  constructor (directory: string) {
    this.#directory = directory
  }

  /**
   * Tells the lines of the newest good snapshot. Returns its revision, `undefined` without one, and the names
   * of newer ones that are damaged.
   */
  readNewest (tell: (notice: LogNotice) => void): { revision: number | undefined, damaged: string[] } {
    const damaged: string[] = []
    for (const { name, path, revision } of this.list().reverse()) {
      tell({ type: 'snapshot-begin', revision })
      if (this.#read(path, revision, tell)) return { revision, damaged }
      damaged.push(name)
    }
    return { revision: undefined, damaged }
  }

  /** Begins a snapshot; another one that was not ended is dropped. */
  begin (revision: number): void {
    this.drop()
    this.#writing = { revision, file: new WholeFile(join(this.#directory, 'snapshot.new')) }
  }

  /** Removes what there is of a snapshot that was not ended. */
  drop (): void {
    this.#writing?.file.drop()
    this.#writing = undefined
    rmSync(join(this.#directory, 'snapshot.new'), { force: true })
  }

  /** The snapshots that are there, oldest first. */
  get infos (): SnapshotInfo[] {
    return this.list().map(({ path, revision }) => ({ revision, bytes: sizeOf(path) ?? 0 }))
  }

  /** Adds lines. When that fails, the snapshot is dropped. */
  add (lines: string): void {
    if (this.#writing === undefined) throw new Error('no snapshot has begun')
    try {
      this.#writing.file.add(lines)
    } catch (error) {
      this.#writing = undefined
      throw error
    }
  }

  /**
   * Ends a snapshot, and removes those that are not needed. Returns the revision of the oldest that is kept.
   */
  end (): number | undefined {
    if (this.#writing === undefined) throw new Error('no snapshot has begun')
    const { revision, file } = this.#writing
    this.#writing = undefined
    file.end(join(this.#directory, `snapshot.${String(revision).padStart(16, '0')}.log`))
    const all = this.list()
    const kept = all.slice(-KEPT)
    for (const { path } of all.slice(0, -KEPT)) rmSync(path)
    // With one alone, the whole log stands for it should it be damaged.
    return kept.length < KEPT ? undefined : kept[0]?.revision
  }

  /** Tells the lines of a snapshot. Returns whether it is whole, and that of the revision of its name. */
  #read (path: string, revision: number, tell: (notice: LogNotice) => void): boolean {
    let lines: string[] = []
    let length = 0
    let isOwn: boolean | undefined
    const flush = (): void => {
      if (lines.length > 0) tell({ type: 'snapshot', lines: lines.join('\n') })
      lines = []
      length = 0
    }
    const { isWhole } = readWhole(path, text => {
      isOwn ??= isHeadOf(text, revision)
      if (!isOwn) return
      lines.push(text)
      length += text.length
      if (length > MAX_MESSAGE) flush()
    })
    flush()
    return isWhole && isOwn === true
  }

  /** Returns the snapshots, oldest first. Reads the directory. */
  list (): SnapshotFile[] {
    return readdirSync(this.#directory)
      .filter(name => /^snapshot\.\d{16}\.log$/.test(name))
      .sort()
      .map(name => ({
        name,
        path: join(this.#directory, name),
        revision: Number(name.slice('snapshot.'.length, -'.log'.length))
      }))
  }
}
