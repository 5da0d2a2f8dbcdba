import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import type { BackupReport } from './backup-log.js'
import { checkBackup } from './image-file.js'
import { makeLog } from './new-log.js'
import { isSameDirectory } from './targets.js'

/** Characters of one part. */
const PART = 262_144

/**
 * Makes a directory with the log of a store out of a backup: the state of the backup under its revision, as
 * the beginning of a new history. Holds a line at a time.
 * @throws when the backup is damaged, cut or of a newer format, and nothing is written then; when the
 * directory has a log, or a part of one, is inside that of another store, or the folder of the backup
 */
export async function restoreLog (file: string, directory: string): Promise<BackupReport> {
  const path = pathOf(file)
  if (isSameDirectory(dirname(path), directory)) {
    throw new Error(`${directory} is the folder of the backup: name another directory`)
  }
  const { head, revision, bytes } = checkBackup(path)
  const epoch = await makeLog(directory, `npx fastify-noex restore ${file}`, revision, add => {
    let part: string[] = []
    let length = 0
    const flush = (): void => {
      if (part.length > 0) add(part.join('\n'))
      part = []
      length = 0
    }
    // Checked once more on the way: others may have changed it meanwhile.
    const again = checkBackup(path, text => {
      part.push(text)
      length += text.length
      if (length > PART) flush()
    })
    if (again.revision !== revision) throw new Error(`${path} has changed meanwhile: run the command again`)
    flush()
  })
  const { bucketNames, totalRecords } = head
  return { file, bytes, epoch, revision, buckets: bucketNames.length, records: totalRecords }
}

/** Returns where a file is, without links. */
function pathOf (file: string): string {
  try {
    return realpathSync.native(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR'
    const problem = isMissing ? 'there is no such file' : `the file cannot be reached (${message})`
    throw new Error(`${file}: ${problem}: name a backup`, { cause: error })
  }
}
