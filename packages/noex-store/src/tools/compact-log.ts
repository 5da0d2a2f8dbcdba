import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { FileLog } from '../log/file-log.js'
import { Store } from '../store/store.js'
import { AFTER_CRASH, isAfterCrash } from './after-crash.js'
import { requireLog } from './directory.js'

export interface CompactReport {
  readonly directory: string
  readonly revision: number
  /** Bytes of all files but the backups, before and after. */
  readonly bytesBefore: number
  readonly bytesAfter: number
  /** Backups beside the log: they hold what they held. */
  readonly backups: number
}

/**
 * Writes a snapshot of the newest state of a log and removes everything older, so that records which were
 * deleted are nowhere in its files. History and revisions go on. When it is killed, the log is whole, and the
 * command can be run again.
 * @param isForced whether notes for an audit trail may be removed that a start has not seen since a crash
 * @throws when another process has the store, there is none, anything in its files is wrong, or there are
 * such notes: with the remedy
 */
export async function compactLog (directory: string, isForced = false): Promise<CompactReport> {
  requireLog(directory)
  if (!isForced && await isAfterCrash(directory)) {
    throw new Error(`${directory}: ${AFTER_CRASH}: start the service once and stop it, so that the trail ` +
      'gets them, or add --force to lose them')
  }
  const bytesBefore = bytesOf(directory)
  const log = new FileLog({ directory, isKnown: true })
  // Deleted keys are forgotten by the application's own limit only.
  const store = await Store.start({ ttlCheckIntervalMs: 0, maxDeletedKeys: Infinity })
  try {
    await store.attachLog(log)
    // Records whose time was up while no process has had the store are deleted ones, too.
    await store.purgeTtl()
    const image = await store.takeImage()
    await store.whenDurable(image.revision)
    await log.compact(image)
    const backups = (await store.listBackups()).length
    const { revision } = store
    await store.stop()
    return { directory, revision, bytesBefore, bytesAfter: bytesOf(directory), backups }
  } catch (error) {
    await store.stop().catch(() => {})
    await log.close().catch(() => {})
    throw error
  }
}

function bytesOf (directory: string): number {
  return readdirSync(directory).reduce((sum, name) => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false })
    return sum + (stats?.isFile() === true ? stats.size : 0)
  }, 0)
}
