import { recordEntry } from '../entry.js'
import { parseEntry } from './trail-reader.js'

/** Numbers of entries, both included. */
export interface EntryRange {
  readonly from: number
  readonly to: number
}

/** What a trail states about itself, in an entry of its own. */
export interface TrailNote {
  /** For instance `audit.lost`. */
  readonly operation: string
  /** The entries that it is about; `undefined` where it names none. */
  readonly range: EntryRange | undefined
}

/** Names a range for a message: `entry 5` or `entries 5 to 9`. */
export function nameEntries ({ from, to }: EntryRange): string {
  return from === to ? `entry ${from}` : `entries ${from} to ${to}`
}

/** Returns the JSON of the entry that stands first after entries that others have taken away. */
export function lostNote ({ from, to }: EntryRange, timestamp: number): string {
  return noteText(
    'audit.lost',
    { from, to },
    timestamp,
    'the file of these entries was removed, replaced or cut while the trail was written'
  )
}

/** Returns the JSON of the entry that stands for old segments which are removed because of `keep`. */
export function prunedNote ({ from, to }: EntryRange, timestamp: number): string {
  return noteText('audit.pruned', { from, to }, timestamp)
}

function noteText (operation: string, details: EntryRange, timestamp: number, error?: string): string {
  return recordEntry({
    timestamp,
    userId: null,
    sessionId: null,
    operation,
    resource: '*',
    result: error === undefined ? 'success' : 'error',
    error,
    details: { ...details },
    remoteAddress: ''
  }).json
}

/**
 * Reads a line as a note of the trail itself; `undefined` when it is any other entry, also one with such
 * words in it.
 */
export function parseNote (line: string): TrailNote | undefined {
  if (!line.includes('"operation":"audit.')) return undefined
  const entry = parseEntry(line)
  // A request always has a connection.
  if (entry?.operation.startsWith('audit.') !== true || entry.sessionId !== null) return undefined
  const { from, to } = entry.details ?? {}
  const isRange = isPositive(from) && isPositive(to) && to >= from
  return { operation: entry.operation, range: isRange ? { from, to } : undefined }
}

function isPositive (value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}
