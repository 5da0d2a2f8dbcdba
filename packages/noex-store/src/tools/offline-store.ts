import { join } from 'node:path'
import {
  isLocked, readJournal, SegmentNames, textOfCrcLine, Watermark, type CrcHead
} from '@hamicek/noex-journal'
import { Engine } from '../commit/engine.js'
import { applyCommit } from '../log/apply.js'
import type { LogEntry, StoreImage } from '../log/change-log.js'
import { readIdentity } from '../log/identity.js'
import { imageOf, loadImage } from '../log/image.js'
import { ImageReader, refuseImageLine } from '../log/image-lines.js'
import { aheadText } from '../log/directory-faults.js'
import { refuseUnimported } from '../log/log-directory.js'
import { logFormat } from '../log/log-format.js'
import { SnapshotFiles } from '../log/snapshot-files.js'
import { QueryRegistry } from '../query/query-registry.js'
import { restore } from '../storage/tagged-value.js'
import { requireLog } from './directory.js'
import { readSteadily } from './steady.js'

/** A store as the files of its log have it. */
export interface OfflineStore {
  readonly epoch: string
  readonly image: StoreImage
}

/**
 * Reads the newest durable state of a log without its lock and without changing anything, also while a server
 * writes to it. It takes as much memory as the store.
 * @throws when there is none, or anything in it is wrong: with the file and the remedy
 */
export async function readStore (directory: string): Promise<OfflineStore> {
  requireLog(directory)
  return await readSteadily(directory, async () => await read(directory), () => true)
}

async function read (directory: string): Promise<OfflineStore> {
  try {
    return await readNow(directory)
  } catch (error) {
    const { message } = error as Error
    if (message.includes(directory)) throw error
    throw new Error(`${directory}: the log cannot be read: ${message}: bring its files back from a backup`, {
      cause: error
    })
  }
}

async function readNow (directory: string): Promise<OfflineStore> {
  refuseUnimported(directory)
  const identity = readIdentity(directory)
  if (identity === undefined) throw new Error(`${directory} has no log of a store`)
  const isRunning = await isLocked(join(directory, 'store.lock'))
  const mark = Watermark.read(join(directory, 'store.mark'))
  let reader = new ImageReader()
  const snapshots = new SnapshotFiles(directory)
  const newest = snapshots.list().at(-1)
  const { revision: snapshot } = snapshots.readNewest(notice => {
    if (notice.type === 'snapshot-begin') reader = new ImageReader()
    else for (const line of notice.lines.split('\n')) reader.add(line)
  })
  const { epoch, first, snapshot: base = 0 } = identity
  const from = snapshot === undefined ? first : snapshot + 1
  const { engine, queries } = offlineEngine(epoch)
  if (snapshot !== undefined) await loadImage(engine, queries, reader.end())
  engine.startAt(from - 1, epoch)
  const { apply, end } = appender(directory, engine, queries, mark)
  const names = new SegmentNames(join(directory, 'store.log'), '.log', 'store')
  const { head, oldest } = readJournal(names, logFormat, from, apply)
  const revision = head.revision === 0 ? base : head.revision
  if (newest !== undefined && newest.revision > revision && mark <= revision) {
    throw new Error(aheadText(newest.path, revision))
  }
  const needed = Math.max(mark, base, snapshot ?? 0)
  if ((snapshot ?? 0) < base || revision < needed || (oldest > from && head.revision > 0)) {
    throw new Error(`${directory}: revisions ${from} to ${Math.max(needed, oldest - 1)} are missing: ` +
      'bring its files back from a backup')
  }
  if (revision === 0) throw new Error(`${directory} has no commit of a store yet`)
  // Behind what a running server knows to be on the disk stands what it may still take back.
  if (!isRunning) end()
  return { epoch, image: imageOf(engine, queries) }
}

/** An engine that takes everything as it is. */
function offlineEngine (epoch: string): { readonly engine: Engine, readonly queries: QueryRegistry } {
  const engine = new Engine({
    name: 'offline',
    now: Date.now,
    maxDeletedKeys: Infinity,
    maxRecordBytes: Infinity,
    maxOperationBytes: Infinity,
    maxWork: Infinity,
    validatorTimeoutMs: 0,
    onListenerError (error) { throw error }
  }, epoch)
  return { engine, queries: new QueryRegistry(engine) }
}

/**
 * Applies lines of commits as far as they are known to be on the disk: up to `mark`, or because a later line
 * says so. `end` applies the others.
 */
function appender (
  directory: string, engine: Engine, queries: QueryRegistry, mark: number
): { readonly apply: (line: string, head: CrcHead, path: string) => void, readonly end: () => void } {
  let waiting: string[] = []
  const end = (): void => {
    for (const line of waiting) {
      const revision = engine.revision + 1
      try {
        const entry = restore(JSON.parse(textOfCrcLine(line))) as LogEntry
        applyCommit(engine, queries, { ...entry, revision })
      } catch (error) {
        throw new Error(`${directory}: revision ${revision} of the log does not fit: ` +
          `${(error as Error).message}: bring its files back from a backup`, { cause: error })
      }
    }
    waiting = []
  }
  return {
    apply (line, { revision, durable }, path) {
      refuseImageLine(textOfCrcLine(line), path)
      const next = engine.revision + waiting.length + 1
      if (revision > next) {
        throw new Error(`${directory}: revisions ${next} to ${revision - 1} are missing: bring its files ` +
          'back from a backup')
      }
      if (durable >= revision - 1) end()
      waiting.push(line)
      if (revision <= mark) end()
    },
    end
  }
}
