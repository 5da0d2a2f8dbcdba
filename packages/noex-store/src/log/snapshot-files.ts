import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  DurableFile, followLines, sizeOf, syncDirectory, textOfCrcLine, type CrcHead, type JournalFormat
} from '@hamicek/noex-journal'
import type { SnapshotInfo } from '../types/durability.js'
import type { LogNotice } from './log-messages.js'

/** Snapshots that are kept: the second one serves when the first is damaged. */
const KEPT = 2
const MAX_MESSAGE = 1_048_576
/** Text of the last line, by which a whole snapshot shows. */
const END = '"end"'

interface Writing {
  readonly path: string
  readonly revision: number
  readonly file: DurableFile
  head: CrcHead
}

/**
 * The snapshots in a directory: `snapshot.<revision>.log`, each of numbered lines with a CRC and an end. One
 * is written under the name `snapshot.new` and has its own name only when it is whole and on the disk.
 */
export class SnapshotFiles {
  readonly #directory: string
  readonly #format: JournalFormat<CrcHead>
  #writing: Writing | undefined

  constructor (directory: string, format: JournalFormat<CrcHead>) {
    this.#directory = directory
    this.#format = format
  }

  /**
   * Tells the lines of the newest good snapshot. Returns its revision, `undefined` without one, and the names
   * of newer ones that are damaged.
   */
  readNewest (tell: (notice: LogNotice) => void): { revision: number | undefined, damaged: string[] } {
    const damaged: string[] = []
    for (const { name, revision } of this.#list().reverse()) {
      tell({ type: 'snapshot-begin', revision })
      if (this.#read(join(this.#directory, name), tell)) return { revision, damaged }
      damaged.push(name)
    }
    return { revision: undefined, damaged }
  }

  /** Begins a snapshot; another one that was not ended is dropped. */
  begin (revision: number): void {
    this.drop()
    const path = join(this.#directory, 'snapshot.new')
    this.#writing = { path, revision, file: new DurableFile(path, false), head: this.#format.start }
  }

  /** Removes what there is of a snapshot that was not ended. */
  drop (): void {
    this.#writing?.file.close()
    this.#writing = undefined
    rmSync(join(this.#directory, 'snapshot.new'), { force: true })
  }

  /** The snapshots that are there, oldest first. */
  get infos (): SnapshotInfo[] {
    return this.#list().map(({ name, revision }) => (
      { revision, bytes: sizeOf(join(this.#directory, name)) ?? 0 }
    ))
  }

  /** Adds lines. When that fails, the snapshot is dropped: it takes no room on a full disk. */
  add (lines: string): void {
    const writing = this.#writing
    if (writing === undefined) throw new Error('no snapshot has begun')
    let text = ''
    for (const line of lines.split('\n')) {
      const sealed = this.#format.seal(line, writing.head, this.#format.start)
      text += `${sealed.line}\n`
      writing.head = sealed.head
    }
    try {
      writing.file.append(Buffer.from(text))
    } catch (error) {
      this.drop()
      throw error
    }
  }

  /**
   * Ends a snapshot, and removes those that are not needed. Returns the revision of the oldest that is kept.
   */
  end (): number | undefined {
    this.add(END)
    const { path, revision, file } = this.#writing as Writing
    this.#writing = undefined
    try {
      file.sync()
    } finally {
      file.close()
    }
    renameSync(path, join(this.#directory, `snapshot.${String(revision).padStart(16, '0')}.log`))
    syncDirectory(this.#directory)
    const all = this.#list()
    const kept = all.slice(-KEPT)
    for (const { name } of all.slice(0, -KEPT)) rmSync(join(this.#directory, name))
    // With one alone, the whole log stands for it should it be damaged.
    return kept.length < KEPT ? undefined : kept[0]?.revision
  }

  /** Tells the lines of a snapshot. Returns whether it is whole. */
  #read (path: string, tell: (notice: LogNotice) => void): boolean {
    let lines: string[] = []
    let length = 0
    let last = ''
    const flush = (): void => {
      if (lines.length > 0) tell({ type: 'snapshot', lines: lines.join('\n') })
      lines = []
      length = 0
    }
    const { goodBytes, size } = followLines(path, this.#format, {
      before: this.#format.start,
      visit (line) {
        if (last === END) return false
        last = textOfCrcLine(line)
        if (last === END) return true
        lines.push(last)
        length += last.length
        if (length > MAX_MESSAGE) flush()
        return true
      }
    })
    flush()
    return last === END && goodBytes === size && size === sizeOf(path)
  }

  /** Returns the snapshots, oldest first. */
  #list (): Array<{ name: string, revision: number }> {
    return readdirSync(this.#directory)
      .filter(name => /^snapshot\.\d{16}\.log$/.test(name))
      .sort()
      .map(name => ({ name, revision: Number(name.slice('snapshot.'.length, -'.log'.length)) }))
  }
}
