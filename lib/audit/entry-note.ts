import { isPlainObject } from '../util/option-schema.js'
import { isEntry, type AuditEntry, type RecordedEntry } from './entry.js'

/** Format number of the notes; it also tells them from notes of the application. */
const FORMAT = 1

/** The note of a commit: the entry is made from it again when a crash takes it from a trail. */
export interface EntryNote {
  /** Id of the request, the same for all its commits. */
  readonly request: string
  /** Whether the request makes this one commit and no other change. */
  readonly whole: boolean
  /** For each trail, by path: the revision up to which the entries of all commits were durable in it. */
  readonly told: Readonly<Record<string, number>>
  /** The entry of the request as a success, made in the step of the commit. */
  readonly entry: AuditEntry
}

/** Returns the text of a note; `told` has pairs of a path, as JSON, and a revision. */
export function noteText (
  { request, whole }: Pick<EntryNote, 'request' | 'whole'>,
  told: ReadonlyArray<readonly [path: string, revision: number]>,
  { json }: RecordedEntry
): string {
  const trails = told.map(([path, revision]) => `${path}:${revision}`).join()
  return `{"audit":${FORMAT},"request":"${request}","whole":${whole},"told":{${trails}},"entry":${json}}`
}

/** Parses a note; returns `undefined` for one of the application. */
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
