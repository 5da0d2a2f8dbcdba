import { isPlainObject } from '../util/option-schema.js'
import type { AuditEntry, RecordedEntry } from './entry.js'
import { isEntry } from './file/trail-reader.js'

/** Marks the notes of the audit among those of the application, and numbers their format. */
const FORMAT = 1

/** The note of a commit: what its entry is made of when a crash takes that from a trail. */
export interface EntryNote {
  /** Names the request; all its commits have the same. */
  readonly request: string
  /** Whether the commit is all that the request does. */
  readonly whole: boolean
  /**
   * For each trail, by its path: the revision up to which it had the entries of all commits when the note was
   * made.
   */
  readonly told: Readonly<Record<string, number>>
  /** The request as a success, in the step of the commit. */
  readonly entry: AuditEntry
}

/** Makes the text of a note; `told` has pairs of a path, as JSON, and a revision. */
export function noteText (
  { request, whole }: Pick<EntryNote, 'request' | 'whole'>,
  told: ReadonlyArray<readonly [path: string, revision: number]>,
  { json }: RecordedEntry
): string {
  const trails = told.map(([path, revision]) => `${path}:${revision}`).join()
  return `{"audit":${FORMAT},"request":"${request}","whole":${whole},"told":{${trails}},"entry":${json}}`
}

/** Reads a note; `undefined` for one that is none of the audit. */
export function parseNoteText (text: string): EntryNote | undefined {
  if (!text.startsWith(`{"audit":${FORMAT},`)) return undefined
  try {
    const { request, whole, told, entry } = JSON.parse(text) as EntryNote
    const isGood = typeof request === 'string' && typeof whole === 'boolean' && isPlainObject(told) &&
      Object.values(told).every(Number.isSafeInteger) && isPlainObject(entry) && isEntry(entry as AuditEntry)
    return isGood ? { request, whole, told, entry } : undefined
  } catch {
    return undefined
  }
}
