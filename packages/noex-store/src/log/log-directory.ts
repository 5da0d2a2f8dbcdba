import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import {
  crcFormat, DurableFile, followLines, Journal, recoverJournal, SegmentNames, sizeOf, syncDirectory,
  textOfCrcLine,
  Watermark, type CrcHead, type ServedJournal
} from '@hamicek/noex-journal'
import type { LogFacts } from '../types/durability.js'
import type { LogCall, LogNotice, LogOpened, LogSettings, ReadLines } from './log-messages.js'
import { readNotes } from './log-notes.js'
import { SnapshotFiles } from './snapshot-files.js'

/** Longest line, in bytes: a commit, or a part of a snapshot. */
export const MAX_LINE_BYTES = 268_435_456
/** Characters of one message. */
const MAX_MESSAGE = 1_048_576
const FORMAT = 1

interface Identity {
  readonly format: typeof FORMAT
  /** Names the history. */
  readonly epoch: string
  /** Revision of the first commit of the history. */
  readonly first: number
}

/**
 * The files of a store's log in one directory: `store.json` names the history, `store.log` and the closed
 * segments beside it have the commits, `snapshot.<revision>.log` the states, `store.mark` says how far it
 * goes. All calls are synchronous.
 */
export class LogDirectory implements ServedJournal {
  readonly opened: LogOpened
  readonly #settings: LogSettings
  readonly #names: SegmentNames
  readonly #format = crcFormat(MAX_LINE_BYTES)
  readonly #snapshots: SnapshotFiles
  readonly #mark: Watermark
  #journal: Journal<CrcHead>

  /** Reads the log, tells what it has, and opens it for writing. Throws when anything in it is wrong. */
  constructor (settings: LogSettings, tell: (notice: LogNotice) => void) {
    const { directory } = settings
    this.#settings = settings
    this.#names = new SegmentNames(join(directory, 'store.log'), '.log', 'store')
    this.#snapshots = new SnapshotFiles(directory, this.#format)
    refuseForeign(directory)
    this.#snapshots.drop()
    const identity = readIdentity(directory)
    const markPath = join(directory, 'store.mark')
    const mark = Watermark.read(markPath)
    if (identity === undefined) {
      this.#journal = this.#open(this.#format.start, undefined)
      this.opened = { epoch: undefined, revision: 0, torn: undefined, damaged: [] }
    } else {
      const { revision: snapshot, damaged } = this.#snapshots.readNewest(tell)
      const from = snapshot === undefined ? identity.first : snapshot + 1
      const sender = new LineSender(from, tell)
      const recovered = recoverJournal(this.#names, this.#format, from, (line, { revision }) => {
        sender.add(textOfCrcLine(line), revision)
      })
      const { head, first, torn, oldest } = recovered
      sender.flush()
      const { revision } = head
      const end = Math.max(mark, snapshot ?? 0)
      if (revision < end || (oldest > from && revision > 0)) {
        throw new Error(missingText(directory, from, oldest > from ? oldest - 1 : end, damaged))
      }
      this.#journal = this.#open({ revision, durable: revision }, first)
      // A history that has no commit yet begins anew.
      const epoch = revision === 0 ? undefined : identity.epoch
      this.opened = { epoch, revision, torn, damaged }
    }
    this.#mark = new Watermark(markPath)
    chmodSync(directory, 0o700)
  }

  get isForeign (): boolean {
    return this.#journal.isForeign
  }

  append (entries: string[]): void {
    this.#journal.append(entries)
  }

  discard (): void {
    this.#journal.discard()
  }

  probe (bytes: number): void {
    this.#journal.probe(bytes)
  }

  release (): void {
    this.#journal.release()
    this.#mark.close()
  }

  close (): void {
    this.#snapshots.drop()
    try {
      this.#journal.close(() => { this.#journal.sync() })
    } finally {
      this.#mark.close()
    }
  }

  /** Says how far the log goes. */
  mark (): void {
    this.#mark.write(this.#journal.head.revision)
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
        return readNotes(this.#names, this.#format, Math.min(call.before, this.#journal.head.revision + 1))
      case 'facts':
        return this.#facts()
    }
    return undefined
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
    const identity: Identity = { format: FORMAT, epoch, first }
    const path = join(directory, 'store.json.new')
    rmSync(path, { force: true })
    const file = new DurableFile(path, true)
    try {
      file.append(Buffer.from(`${JSON.stringify(identity)}\n`))
      file.rename(join(directory, 'store.json'))
    } finally {
      file.close()
    }
    syncDirectory(directory)
    this.#journal.release()
    this.#journal = this.#open({ revision: first - 1, durable: first - 1 }, undefined)
  }

  #open (head: CrcHead, first: number | undefined): Journal<CrcHead> {
    const { fsync, maxBytes } = this.#settings
    const options = { names: this.#names, format: this.#format, maxBytes, maxAgeMs: Infinity, fsync }
    return new Journal({ ...options, wholeGroups: true }, { head, first })
  }

  #read (from: number): ReadLines {
    const closed = this.#names.listClosed()
    const begin = closed.findLastIndex(path => this.#names.numberIn(path) as number <= from)
    const lines: string[] = []
    let length = 0
    const { revision: end } = this.#journal.head
    for (const path of [...closed.slice(Math.max(0, begin)), this.#names.current]) {
      followLines(path, this.#format, {
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

/** Sends lines of commits in messages of a bounded size. */
class LineSender {
  readonly #tell: (notice: LogNotice) => void
  #from: number
  #lines: string[] = []
  #length = 0

  constructor (from: number, tell: (notice: LogNotice) => void) {
    this.#from = from
    this.#tell = tell
  }

  add (text: string, revision: number): void {
    if (revision !== this.#from + this.#lines.length) return
    this.#lines.push(text)
    this.#length += text.length
    if (this.#length > MAX_MESSAGE) this.flush()
  }

  flush (): void {
    if (this.#lines.length === 0) return
    this.#tell({ type: 'tail', from: this.#from, lines: this.#lines.join('\n') })
    this.#from += this.#lines.length
    this.#lines = []
    this.#length = 0
  }
}

/** Throws when a directory has data of the original, or of a storage adapter. */
function refuseForeign (directory: string): void {
  const foreign = readdirSync(directory).find(name => name.endsWith('.json') && name !== 'store.json')
  if (foreign === undefined) return
  throw new Error(`${directory} has the data of a storage adapter (${foreign}), which is not read here: ` +
    'a FileAdapter of "persistence" reads it; name an empty directory for "durability"')
}

/** Reads which history a directory has; `undefined` for none. Throws when there is a log without it. */
function readIdentity (directory: string): Identity | undefined {
  const path = join(directory, 'store.json')
  if (!existsSync(path)) {
    const isLog = (name: string): boolean => /^(store|snapshot)\.(\d{16}\.)?log$/.test(name)
    const remains = readdirSync(directory).find(name => isLog(name) && sizeOf(join(directory, name)) !== 0)
    if (remains === undefined) return undefined
    throw new Error(`${path} is missing, but there is ${remains}: bring the directory back from a backup`)
  }
  const identity = parseIdentity(readFileSync(path, 'utf8'))
  if (identity === undefined) throw new Error(`${path} is damaged: bring it back from a backup`)
  if (identity.format !== FORMAT) {
    const format = String(identity.format)
    throw new Error(`${path}: the log has format ${format}, and this version reads ${FORMAT}`)
  }
  return identity
}

function parseIdentity (text: string): Identity | undefined {
  try {
    const { format, epoch, first } = JSON.parse(text) as Identity
    const isGood = Number.isSafeInteger(format) && typeof epoch === 'string' && Number.isSafeInteger(first)
    return isGood ? { format, epoch, first } : undefined
  } catch {
    return undefined
  }
}

function missingText (directory: string, from: number, to: number, damaged: readonly string[]): string {
  const cause = damaged.length === 0 ? '' : ` (damaged: ${damaged.join(', ')})`
  return `${directory}: revisions ${from} to ${to} are missing${cause}: bring its files back from a backup`
}
