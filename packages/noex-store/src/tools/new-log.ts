import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { acquireLock, DurableFile, makeDirectory, syncDirectory } from '@hamicek/noex-journal'
import { UNFINISHED, writeIdentity } from '../log/identity.js'
import { refuseUnimported } from '../log/log-directory.js'
import { SnapshotFiles } from '../log/snapshot-files.js'
import { refuseTargetDirectory } from './targets.js'

/**
 * Makes the log of a new history in a directory, which begins with a snapshot of `revision`: with a new
 * epoch, and revisions that go on above. One rename decides; until then a start is refused, and the command
 * can be run again, also after it was killed. Returns the epoch.
 * @param command what an error calls the command that has not finished
 * @param write gives the lines of the snapshot to `add`
 * @throws when the directory has a log, or a part of one, is inside that of another store, or another process
 * has it
 */
export async function makeLog (
  directory: string, command: string, revision: number,
  write: (add: (lines: string) => void) => void | Promise<void>
): Promise<string> {
  refuseTargetDirectory(directory)
  makeDirectory(directory)
  const lock = await acquireLock(join(directory, 'store.lock'), 'another process has this store')
  try {
    const unfinished = join(directory, UNFINISHED)
    refuseLog(directory, existsSync(unfinished))
    chmodSync(directory, 0o700)
    putDown(unfinished, command)
    syncDirectory(directory)
    const snapshots = new SnapshotFiles(directory)
    for (const { path } of snapshots.list()) rmSync(path)
    snapshots.begin(revision)
    await write(lines => { snapshots.add(lines) })
    snapshots.end()
    const epoch = randomUUID()
    writeIdentity(directory, { epoch, first: revision + 1, snapshot: revision })
    rmSync(unfinished)
    syncDirectory(directory)
    return epoch
  } finally {
    await lock.release()
  }
}

/** Throws when a directory has more of a log than such a command leaves that was killed. */
function refuseLog (directory: string, isUnfinished: boolean): void {
  refuseUnimported(directory)
  const isOwn = isUnfinished && !existsSync(join(directory, 'store.json'))
    ? /^(store\.lock.*|store\.unfinished|store\.json\.new|snapshot\.(new|\d{16}\.log))$/
    : /^store\.lock/
  const found = readdirSync(directory).find(name => /^(store|snapshot)\./.test(name) && !isOwn.test(name))
  if (found === undefined) return
  throw new Error(`${directory} has a log already, or a part of one (${found}): name an empty directory`)
}

function putDown (path: string, text: string): void {
  rmSync(path, { force: true })
  const file = new DurableFile(path, true)
  try {
    file.append(Buffer.from(`${text}\n`))
  } finally {
    file.close()
  }
}
