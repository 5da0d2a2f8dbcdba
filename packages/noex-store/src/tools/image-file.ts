import { sizeOf } from '@hamicek/noex-journal'
import { parseHead } from '../log/backup-format.js'
import type { BackupHead } from '../log/change-log.js'
import { readWhole } from '../log/whole-file.js'
import { ImageCounts, type Counts } from './record-counts.js'

/** A file with an image of a store, as it was read. */
export interface ImageFile {
  readonly path: string
  readonly bytes: number
  readonly revision: number
  readonly counts: Counts
}

/**
 * Checks a snapshot from beginning to end. Holds a line at a time.
 * @throws with the file, the place and the remedy
 */
export function checkSnapshot (path: string, revision: number): ImageFile {
  const file = checkLines(path, 'snapshot', 'the store starts without it where an older one and the log ' +
    'have everything, and writes a new one later: check the disk', new ImageCounts())
  if (file.revision === revision) return file
  throw new Error(`${path} has revision ${file.revision}, which is not that of its name: give it its own`)
}

/**
 * Checks a backup from beginning to end, and tells its lines behind the head. Holds a line at a time.
 * @throws with the file, the place and the remedy
 */
export function checkBackup (
  path: string, visit: (text: string) => void = () => {}
): ImageFile & { readonly head: BackupHead } {
  let head: BackupHead | undefined
  const counts = new ImageCounts()
  const file = checkLines(path, 'backup', 'take another backup', {
    add (text) {
      if (head === undefined) {
        head = parseHead(text, path)
        return
      }
      counts.add(text)
      visit(text)
    },
    end: () => counts.end()
  })
  if (head?.revision === file.revision) return { ...file, head }
  throw new Error(`${path} has revision ${file.revision}, which is not that of its beginning`)
}

function checkLines (
  path: string, title: string, remedy: string, lines: Pick<ImageCounts, 'add' | 'end'>
): ImageFile {
  const bytes = sizeOf(path)
  if (bytes === undefined) throw new Error(`${path}: there is no such file`)
  let line = 0
  const { isWhole, goodBytes, lines: good } = readWhole(path, text => {
    line++
    try {
      lines.add(text)
    } catch (error) {
      const { message } = error as Error
      throw message.startsWith(path) ? error : new Error(`${path}, line ${line}: ${message}: ${remedy}`)
    }
  })
  if (!isWhole) {
    throw new Error(`${path}, line ${good + 1} (byte ${goodBytes}): the ${title} is damaged or cut there: ` +
      remedy)
  }
  return { path, bytes, ...lines.end() }
}
