import {
  readBytes, scanLinesBackwards, textOf, textOfCrcLine, type CrcHead, type JournalFormat, type SegmentNames
} from '@hamicek/noex-journal'
import type { CommitNote } from '../types/commit.js'
import type { ReadNotes } from './log-messages.js'

/** Characters of the notes of one message. */
const MAX_MESSAGE = 1_048_576
/** Bytes in which the beginning of a line is, up to the name of its first member. */
const BEGINNING = 64
const lineBeginning = /^[0-9a-f]{8} (\d+) \d+ (\{"note":)?/
/** The members that a line with a note begins with. */
const noteAndTime = /^\{"note":("[^"\\]*(?:\\.[^"\\]*)*"),"time":(\d+)/s

/**
 * Reads the notes of commits before a revision, newest first, from the files of a log: as many as go in one
 * message.
 * @throws naming the file with a line that is damaged
 */
export function readNotes (
  names: SegmentNames, format: JournalFormat<CrcHead>, before: number
): ReadNotes {
  const notes: CommitNote[] = []
  let length = 0
  let limit = before
  for (const path of [names.current, ...names.listClosed().reverse()]) {
    const first = names.numberIn(path) ?? revisionOf(readBytes(path, 0, BEGINNING))
    if (first === undefined || first >= limit) continue
    scanLinesBackwards(path, format.maxLineBytes, raw => {
      const beginning = raw.bytes?.toString('latin1', 0, BEGINNING) ?? ''
      const [, revision, hasNote] = lineBeginning.exec(beginning) ?? []
      if (hasNote === undefined || !raw.ended || Number(revision) >= limit) return true
      const note = noteOf(textOf(raw) ?? '', format)
      if (note === undefined) {
        throw new Error(`${path}: revision ${revision} is damaged: bring the file back from a backup`)
      }
      notes.push(note)
      limit = note.revision
      length += note.note.length
      return length < MAX_MESSAGE
    })
    if (length >= MAX_MESSAGE) return { notes, isEnd: false }
    // A failed sync has left lines at the end of the segment before, which are in this one once more.
    limit = Math.min(limit, first)
  }
  return { notes, isEnd: true }
}

function revisionOf (beginning: Buffer): number | undefined {
  const [, revision] = lineBeginning.exec(beginning.toString('latin1')) ?? []
  return revision === undefined ? undefined : Number(revision)
}

function noteOf (line: string, format: JournalFormat<CrcHead>): CommitNote | undefined {
  const head = format.follow(line, undefined)
  const [, text, time] = noteAndTime.exec(textOfCrcLine(line)) ?? []
  if (head === undefined || text === undefined) return undefined
  return { revision: head.revision, time: Number(time), note: JSON.parse(text) as string }
}
