import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  isLocked, readJournal, SegmentNames, sizeOf, textOfCrcLine, Watermark, type ReadJournal, type CrcHead
} from '@hamicek/noex-journal'
import { readIdentity, type Identity } from '../log/identity.js'
import { refuseImageLine } from '../log/image-lines.js'
import { aheadText } from '../log/directory-faults.js'
import { refuseUnimported } from '../log/log-directory.js'
import { logFormat } from '../log/log-format.js'
import { SnapshotFiles, type SnapshotFile } from '../log/snapshot-files.js'
import { requireLog } from './directory.js'
import { checkBackup, checkSnapshot, type ImageFile } from './image-file.js'
import { LogCounts } from './log-counts.js'
import { readSteadily } from './steady.js'

/** Contents of the files of a log, and everything that is wrong with them. */
export interface LogReport {
  /** Whether nothing is wrong. */
  readonly ok: boolean
  readonly directory: string
  /** Whether a process has the store open. */
  readonly isRunning: boolean
  /** Names the history; `undefined` where that cannot be read. */
  readonly epoch: string | undefined
  /** Revision of the newest commit, and of the oldest one that is in the log; 0 where there is none. */
  readonly revision: number
  readonly oldestCommit: number
  /** Records of each bucket at the newest revision; `undefined` where they cannot be counted. */
  readonly buckets: Readonly<Record<string, number>> | undefined
  /** Snapshots that are whole, oldest first. */
  readonly snapshots: ReadonlyArray<{ readonly revision: number, readonly bytes: number }>
  /** Backups beside the log that are whole. */
  readonly backups: ReadonlyArray<{
    readonly name: string, readonly createdAt: number, readonly revision: number, readonly bytes: number
  }>
  readonly logBytes: number
  /** Bytes at the end of the log that a crash has left half written, or a server is writing. */
  readonly tornBytes: number
  /** Bytes of ends that starts have moved aside. */
  readonly asideBytes: number
  /** Each with the file, the place and the remedy. */
  readonly faults: readonly string[]
}

/**
 * Checks the files of a store's log without its lock and without changing anything, also while a server
 * writes to them: every line of every file, that the revisions follow one another, and that the records of
 * snapshots are as many as the commits say. Holds a line at a time.
 * @throws where there is no log
 */
export async function verifyLog (directory: string): Promise<LogReport> {
  requireLog(directory)
  return await readSteadily(directory, async () => await verify(directory), ({ ok }) => ok)
}

async function verify (directory: string): Promise<LogReport> {
  const faults: string[] = []
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      faults.push((error as Error).message)
      return undefined
    }
  }
  attempt(() => { refuseUnimported(directory) })
  const identity = attempt(() => readIdentity(directory))
  const mark = attempt(() => readMark(join(directory, 'store.mark'))) ?? 0
  const isRunning = await isLocked(join(directory, 'store.lock'))
  const files = new SnapshotFiles(directory).list()
  const snapshots = files
    // A server removes a snapshot when it has newer ones.
    .map(({ path, revision }) => attempt(() => existsSync(path) ? checkSnapshot(path, revision) : undefined))
    .filter(file => file !== undefined)
  const counts = new LogCounts(identity, snapshots)
  const journal = attempt(() => readLog(directory, counts))
  // Without knowing where the log begins, there is no telling what is missing.
  if (journal !== undefined && identity !== undefined) {
    faults.push(...checkEnds(directory, journal, identity, mark, snapshots, files.at(-1)))
  }
  if (counts.fault !== undefined) faults.push(`${directory}: ${counts.fault}`)
  const backups = backupsIn(directory)
    .map(path => attempt(() => checkBackup(path)))
    .filter(file => file !== undefined)
  const found = counts.atEnd()
  return {
    ok: faults.length === 0,
    directory,
    isRunning,
    epoch: identity?.epoch,
    revision: journal?.head.revision === 0 ? identity?.snapshot ?? 0 : journal?.head.revision ?? 0,
    oldestCommit: journal === undefined || journal.head.revision === 0 ? 0 : journal.oldest,
    buckets: found && Object.fromEntries(found),
    snapshots: snapshots.map(({ revision, bytes }) => ({ revision, bytes })),
    backups: backups.map(({ head: { name, createdAt, revision }, bytes }) => (
      { name, createdAt, revision, bytes }
    )),
    logBytes: journal?.files.reduce((sum, { size }) => sum + size, 0) ?? 0,
    tornBytes: journal?.files.reduce((sum, { size, goodBytes }) => sum + size - goodBytes, 0) ?? 0,
    asideBytes: sizeOf(join(directory, 'store.torn')) ?? 0,
    faults
  }
}

function readMark (path: string): number {
  const mark = Watermark.read(path)
  // A mark that is just being written is read again.
  if (mark > 0 || (sizeOf(path) ?? 0) === 0) return mark
  throw new Error(`${path} is damaged: the store starts without it and writes it anew: check the disk`)
}

function readLog (directory: string, counts: LogCounts): ReadJournal<CrcHead> {
  const names = new SegmentNames(join(directory, 'store.log'), '.log', 'store')
  return readJournal(names, logFormat, 0, (line, { revision }, path) => {
    const text = textOfCrcLine(line)
    refuseImageLine(text, path)
    counts.add(text, revision)
  })
}

/** Returns what is wrong with the beginning and the end of a log. */
function checkEnds (
  directory: string, { head, oldest, files }: ReadJournal<CrcHead>, identity: Identity | undefined,
  mark: number, snapshots: readonly ImageFile[], last: SnapshotFile | undefined
): string[] {
  const faults: string[] = []
  const base = identity?.snapshot ?? 0
  const newest = snapshots.at(-1)?.revision ?? 0
  const revision = head.revision === 0 ? base : head.revision
  if (newest < base) {
    faults.push(`${directory}: the snapshot of revision ${base}, with which the log begins, is missing or ` +
      'damaged: bring its files back from a backup')
  }
  const end = Math.max(mark, newest, base)
  if (last !== undefined && last.revision > revision && mark <= revision) {
    faults.push(aheadText(last.path, revision))
  } else if (revision < end) {
    const file = files.at(-1)
    const place = file === undefined ? directory : `${file.path}, byte ${file.goodBytes}`
    faults.push(`${place}: revisions ${revision + 1} to ${end} are missing or damaged: bring the file back ` +
      'from a backup')
  }
  if (head.revision === 0) return faults
  const needs = [
    ...snapshots.map(snapshot => ({ title: snapshot.path, first: snapshot.revision + 1 })),
    ...(snapshots.length === 0 && identity !== undefined ? [{ title: directory, first: identity.first }] : [])
  ]
  for (const { title, first } of needs) {
    if (oldest <= first) continue
    faults.push(`${title}: the log begins with revision ${oldest}; ${first} to ${oldest - 1} are missing: ` +
      'bring its files back from a backup')
  }
  return faults
}

function backupsIn (directory: string): string[] {
  const folder = join(directory, 'backups')
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter(name => name.endsWith('.backup')).map(name => join(folder, name))
}
