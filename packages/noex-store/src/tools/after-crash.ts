import { join } from 'node:path'
import { entryAt, isLocked, SegmentNames } from '@hamicek/noex-journal'
import { logFormat } from '../log/log-format.js'
import { readNotes } from '../log/log-notes.js'

/** The first words of a message about such a log. */
export const AFTER_CRASH = 'the process that had it has died, and its audit trail may not have the last ' +
  'entries, which the log keeps'

/**
 * Tells whether a log keeps notes of commits, and the process that had it last has died: a stop in order
 * takes `store.lock` away. The notes may be nowhere else until a service has started on the log. On Windows
 * the lock of a dead process leaves no trace: always `false`.
 */
export async function isAfterCrash (directory: string): Promise<boolean> {
  const lock = join(directory, 'store.lock')
  if (entryAt(lock) === undefined || await isLocked(lock)) return false
  try {
    const names = new SegmentNames(join(directory, 'store.log'), '.log', 'store')
    return readNotes(names, logFormat, Infinity).notes.length > 0
  } catch {
    // A damaged line may be that of a note.
    return true
  }
}
