import { recordEntry } from '../entry.js'
import { parseEntry, type EntryRange } from '../chain/chain.js'

/** An entry in which a trail records an event of its own. */
interface TrailNote {
  /** For instance `audit.lost`. */
  readonly operation: string
  /** The entries that it concerns; `undefined` where it names none. */
  readonly range: EntryRange | undefined
}

/** Returns the JSON of the first entry after a range that was lost because another process removed it. */
export function lostNote ({ from, to }: EntryRange, timestamp: number): string {
  return noteText(
    'audit.lost',
    { from, to },
    timestamp,
    'the file of these entries was removed, replaced or cut while the trail was written'
  )
}

/** Returns the JSON of the entry that records the removal of old segments because of `keep`. */
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

/** Parses a line as a note of the trail itself; returns `undefined` for any other entry. */
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
