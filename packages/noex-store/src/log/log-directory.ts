import { readdirSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import {
  entryAt, followLines, Journal, recoverJournal, SegmentNames, sizeOf, syncDirectory, textOfCrcLine,
  Watermark, type CrcHead, type ServedJournal
} from '@hamicek/noex-journal'
import { bucketFilesIn } from '../storage/bucket-files.js'
import { isImporting } from './staged-log.js'
import type { LogFacts } from '../types/durability.js'
import { BackupFiles } from './backup-files.js'
import { aheadText, baseText, emptiedText, missingText, shortText } from './directory-faults.js'
import { readIdentity, UNFINISHED, writeIdentity, type Identity } from './identity.js'
import { refuseImageLine } from './image-lines.js'
import { LineSender, MAX_MESSAGE } from './line-sender.js'
import { logFormat } from './log-format.js'
import { makePrivate } from './make-private.js'
import type { LogCall, LogNotice, LogOpened, LogSettings, ReadLines } from './log-messages.js'
import { readNotes } from './log-notes.js'
import { SnapshotFiles } from './snapshot-files.js'
import { readWhole } from './whole-file.js'

/**
 * The files of a store's log in one directory: `store.json` names the history, `store.log` and the closed
 * segments beside it have the commits, `snapshot.<revision>.log` the states, `store.mark` says how far it
 * goes. All calls are synchronous.
 */
export class LogDirectory implements ServedJournal {
  readonly opened: LogOpened
  readonly #settings: LogSettings
  readonly #names: SegmentNames
  readonly #snapshots: SnapshotFiles
  readonly #backups: BackupFiles
  readonly #mark: Watermark
  #identity: Identity | undefined
  #journal: Journal<CrcHead>

  /** Reads the log, tells what it has, and opens it for writing. Throws when anything in it is wrong. */
  constructor (settings: LogSettings, tell: (notice: LogNotice) => void) {
    const { directory } = settings
    this.#settings = settings
    this.#names = new SegmentNames(join(directory, 'store.log'), '.log', 'store')
    this.#snapshots = new SnapshotFiles(directory)
    this.#backups = new BackupFiles(directory)
    refuseUnimported(directory)
    const identity = readIdentity(directory)
    if (identity === undefined && settings.isKnown) throw new Error(`${directory} has no log of a store`)
    const markPath = join(directory, 'store.mark')
    const mark = Watermark.read(markPath)
    if (identity === undefined && mark > 0) throw new Error(emptiedText(directory, mark))
    makePrivate(directory)
    this.#snapshots.drop()
    this.#backups.drop()
    rmSync(join(directory, UNFINISHED), { force: true })
    this.#identity = identity
    if (identity === undefined) {
      this.#journal = this.#open(logFormat.start, undefined)
      this.opened = { epoch: undefined, revision: 0, torn: undefined, damaged: [] }
    } else {
      const { revision: snapshot, damaged } = this.#snapshots.readNewest(tell)
      const { snapshot: base = 0 } = identity
      if ((snapshot ?? 0) < base) throw new Error(baseText(directory, base))
      const from = snapshot === undefined ? identity.first : snapshot + 1
      const sender = new LineSender(from, tell)
      const recovered = recoverJournal(this.#names, logFormat, from, (line, { revision }, path) => {
        const text = textOfCrcLine(line)
        refuseImageLine(text, path)
        sender.add(text, revision)
      }, ({ head, oldest }) => {
        const last = head.revision === 0 ? base : head.revision
        // Where the disk is not waited for, the mark may have reached it before the last lines.
        const end = Math.max(settings.fsync || last === 0 ? mark : 0, snapshot ?? 0)
        if (oldest > from && last > 0) throw new Error(missingText(directory, from, oldest - 1, damaged))
        const ahead = this.#snapshots.list().at(-1)
        if (ahead !== undefined && ahead.revision > last && mark <= last) {
          throw new Error(aheadText(ahead.path, last))
        }
        if (last < end) throw new Error(shortText(this.#names.current, last, end))
      })
      const { head, first, torn } = recovered
      sender.flush()
      const revision = head.revision === 0 ? base : head.revision
      this.#journal = this.#open({ revision, durable: revision }, first)
      // A history that has no commit yet begins anew.
      const epoch = revision === 0 ? undefined : identity.epoch
      this.opened = { epoch, revision, torn, damaged }
    }
    this.#mark = new Watermark(markPath)
    if (mark > this.opened.revision) this.#mark.write(this.opened.revision)
  }

  get isForeign (): boolean {
    return this.#journal.isForeign
  }

  /** Adds entries, all or none. Before they are told to be durable the mark says so: backups go by it. */
  append (entries: string[]): void {
    this.#assertThere()
    this.#journal.append(entries)
    this.#mark.write(this.#journal.head.revision)
  }

  discard (): void {
    this.#journal.discard()
  }

  probe (bytes: number): void {
    this.#assertThere()
    this.#journal.probe(bytes)
  }

  release (): void {
    this.#journal.release()
    this.#mark.close()
  }

  close (): void {
    this.#snapshots.drop()
    this.#backups.drop()
    try {
      this.#journal.close(() => { this.#journal.sync() })
    } finally {
      this.#mark.close()
    }
  }

  carryOut (call: LogCall): unknown {
    switch (call.type) {
      case 'begin':
        this.#begin(call.epoch, call.revision)
        break
      case 'snapshot-begin':
        if (call.revision > this.#journal.head.revision) {
          throw new Error('a snapshot must not be ahead of the log')
        }
        this.#snapshots.begin(call.revision)
        break
      case 'snapshot-part':
        this.#snapshots.add(call.lines)
        break
      case 'snapshot-end': {
        this.#journal.rotate()
        const oldest = this.#snapshots.end()
        if (oldest !== undefined) this.#journal.pruneBelow(oldest + 1)
        break
      }
      case 'read':
        return this.#read(call.from)
      case 'notes':
        return readNotes(this.#names, logFormat, Math.min(call.before, this.#journal.head.revision + 1))
      case 'facts':
        return this.#facts()
      case 'compact':
        this.#compact()
        break
      case 'backup':
        return this.#backups.carryOut(call.call)
    }
    return undefined
  }

  /** Throws when the directory has been emptied or replaced: what is written could not be read again. */
  #assertThere (): void {
    const path = join(this.#settings.directory, 'store.json')
    if (this.#identity === undefined || entryAt(path) !== undefined) return
    throw new Error(`${path} is gone: stop the service, and bring the directory back from a backup`)
  }

  #facts (): LogFacts {
    const { bavail, bsize } = statfsSync(this.#settings.directory)
    const files = [...this.#names.listClosed(), this.#names.current]
    return {
      logBytes: files.reduce((sum, path) => sum + (sizeOf(path) ?? 0), 0),
      freeBytes: bavail * bsize,
      snapshots: this.#snapshots.infos
    }
  }

  #begin (epoch: string, first: number): void {
    const { directory } = this.#settings
    this.#identity = { epoch, first }
    writeIdentity(directory, this.#identity)
    this.#journal.release()
    this.#journal = this.#open({ revision: first - 1, durable: first - 1 }, undefined)
  }

  /** Removes everything that is older than the newest snapshot, which must be that of the newest revision. */
  #compact (): void {
    const { directory } = this.#settings
    const { revision } = this.#journal.head
    const snapshots = this.#snapshots.list()
    const newest = snapshots.pop()
    const isWhole = newest?.revision === revision && readWhole(newest.path, () => {}).isWhole
    if (!isWhole || this.#identity === undefined) {
      throw new Error(`${directory}: the snapshot that was just written is not whole: check the disk`)
    }
    this.#journal.rotate()
    this.#identity = { epoch: this.#identity.epoch, first: revision + 1, snapshot: revision }
    writeIdentity(directory, this.#identity)
    const aside = readdirSync(directory)
      .filter(name => name === 'store.torn' || /\.foreign(\.\d+)?$/.test(name))
      .map(name => join(directory, name))
    // Oldest first, each one before the next also after a loss of power: what is left follows on.
    const older = [...snapshots.map(({ path }) => path), ...this.#names.listClosed(), ...aside]
    for (const path of older) {
      rmSync(path, { recursive: true, force: true })
      syncDirectory(directory)
    }
  }

  #open (head: CrcHead, first: number | undefined): Journal<CrcHead> {
    const { fsync, maxBytes } = this.#settings
    const options = { names: this.#names, format: logFormat, maxBytes, maxAgeMs: Infinity, fsync }
    return new Journal({ ...options, wholeGroups: true }, { head, first })
  }

  #read (from: number): ReadLines {
    const closed = this.#names.listClosed()
    const begin = closed.findLastIndex(path => this.#names.numberIn(path) as number <= from)
    const lines: string[] = []
    let length = 0
    const { revision: end } = this.#journal.head
    for (const path of [...closed.slice(Math.max(0, begin)), this.#names.current]) {
      followLines(path, logFormat, {
        visit (line, { revision }) {
          if (revision > end || length > MAX_MESSAGE) return false
          const next = from + lines.length
          if (revision < next) return true
          if (revision > next) throw new Error(`revision ${next} is not in the log any more`)
          const text = textOfCrcLine(line)
          lines.push(text)
          length += text.length
          return true
        }
      })
    }
    return { lines: lines.join('\n'), count: lines.length }
  }
}

/** Throws when a directory has buckets of a storage adapter: none is taken for an empty one. */
export function refuseUnimported (directory: string): void {
  const isBegun = isImporting(directory)
  const [file] = isBegun ? [] : bucketFilesIn(directory)
  if (file === undefined && !isBegun) return
  const what = isBegun ? 'an import that has not ended' : `buckets of a storage adapter (${file?.name})`
  throw new Error(`${directory} has ${what}: run "npx fastify-noex import ${directory}" first`)
}
