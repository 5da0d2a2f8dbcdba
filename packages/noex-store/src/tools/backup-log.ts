import { randomBytes } from 'node:crypto'
import { basename } from 'node:path'
import { entryAt, sizeOf } from '@hamicek/noex-journal'
import { headOf, lineOfHead, readHead, savedImage } from '../log/backup-format.js'
import { linesOfImage } from '../log/image-lines.js'
import { sendLines } from '../log/line-slices.js'
import { WholeFile } from '../log/whole-file.js'
import { isAfterCrash } from './after-crash.js'
import { requireLog } from './directory.js'
import { readStore } from './offline-store.js'
import { targetFile } from './targets.js'

/** Figures of a backup, or of a log that was made of it. */
export interface BackupReport {
  readonly file: string
  readonly bytes: number
  readonly epoch: string
  readonly revision: number
  readonly buckets: number
  readonly records: number
}

export interface BackupMade extends BackupReport {
  /**
   * Whether the process that had the store has died, and the log keeps what its audit trail may not have:
   * that is in no backup. A start of the service brings it back.
   */
  readonly afterCrash: boolean
}

/**
 * Copies the newest durable state of a log into one file, also while a server writes to the log. Records of
 * buckets that are not to outlive a process are left out. The file is there when it is whole and on the disk;
 * a copy that is cut short leaves `FILE.<12 digits>.new`.
 * @param file outside of every directory of a store, and of no name that a log's files have
 * @param isForced whether an earlier backup may be replaced, or an empty file
 * @throws when the file is in the way, or the log cannot be read: with the file and the remedy
 */
export async function backupLog (directory: string, file: string, isForced = false): Promise<BackupMade> {
  requireLog(directory)
  const path = targetFile(file, directory)
  refuseExisting(file, path, isForced)
  const { epoch, image } = await readStore(directory)
  const saved = savedImage(image)
  const name = basename(file).replace(/\.backup$/, '')
  const head = headOf(saved, { name, createdAt: Date.now(), epoch })
  const whole = new WholeFile(`${path}.${randomBytes(6).toString('hex')}.new`)
  try {
    whole.add(lineOfHead(head))
    await sendLines(linesOfImage(saved), async lines => { whole.add(lines) })
    refuseExisting(file, path, isForced)
  } catch (error) {
    whole.drop()
    throw error
  }
  whole.end(path)
  const { revision, bucketNames, totalRecords } = head
  return {
    file,
    bytes: sizeOf(path) ?? 0,
    epoch,
    revision,
    buckets: bucketNames.length,
    records: totalRecords,
    afterCrash: await isAfterCrash(directory)
  }
}

function refuseExisting (file: string, path: string, isForced: boolean): void {
  const found = entryAt(path)
  if (found === undefined) return
  if (!isForced) throw new Error(`${file} exists already: name another file, or add --force`)
  if (!found.isFile) throw new Error(`${file} is not a file: name another one`)
  if (found.size === 0) return
  try {
    readHead(path)
  } catch (error) {
    const { message } = error as Error
    throw new Error(`${file} is no backup: --force replaces nothing else; name another file (${message})`, {
      cause: error
    })
  }
}
