import { createHash } from 'node:crypto'

/**
 * One line of the audit trail: who did what to what, when, from where, and how it ended. PROTOCOL.md,
 * "Audit".
 */
export interface AuditEntry {
  /** Epoch milliseconds. */
  readonly timestamp: number
  /**
   * The user after the operation, or before it where the operation has ended the session; `null`: nobody is
   * logged in.
   */
  readonly userId: string | null
  /** The id of the connection; `null` for what concerns none. */
  readonly sessionId: string | null
  readonly operation: string
  /** What the operation concerns, as the operation itself says; `*` where it names nothing. */
  readonly resource: string
  readonly result: 'success' | 'error'
  /** Only for `error`: the message that the client got. */
  readonly error?: string
  /**
   * Members of the request that the operation allows to be recorded; never passwords, tokens or record data.
   */
  readonly details?: Readonly<Record<string, unknown>>
  /** The client's address; empty for what the server does by itself. */
  readonly remoteAddress: string
  /**
   * Revision of the last commit that the request has made: where the notes of commits bring back what a crash
   * takes.
   */
  readonly revision?: number
  /** Names the history which `revision` counts. */
  readonly epoch?: string
}

/** An entry with its JSON text, made once for all that store it. */
export interface RecordedEntry {
  readonly entry: AuditEntry
  /** The entry's members in their order, in one line of at most 16,384 characters: longer parts are cut. */
  readonly json: string
}

const MAX_TEXT_CHARS = 256
const MAX_ERROR_CHARS = 1_024
const MAX_DETAILS_CHARS = 8_192

/** What an entry is made of: an entry, of which what is absent may be `undefined`. */
export type EntryInput = Omit<AuditEntry, 'error' | 'details'> & {
  readonly error?: string | undefined
  readonly details?: AuditEntry['details'] | undefined
}

/**
 * Makes an entry of what has happened, within the bounds, and in the order in which its members are stored.
 */
export function recordEntry (entry: EntryInput): RecordedEntry {
  const { timestamp, userId, sessionId, operation, resource, result, error, details, remoteAddress } = entry
  // Without what is absent, and without spreads: this runs for every request that is recorded.
  const recorded = {
    timestamp,
    userId: userId === null ? null : clean(userId, MAX_TEXT_CHARS),
    sessionId,
    operation,
    resource: clean(resource, MAX_TEXT_CHARS),
    result
  } as { -readonly [Name in keyof AuditEntry]: AuditEntry[Name] }
  if (error !== undefined) recorded.error = clean(error, MAX_ERROR_CHARS)
  if (details !== undefined) recorded.details = boundDetails(details)
  recorded.remoteAddress = remoteAddress
  // The application gets it, and so do its logger and its sinks: none of them changes what the others get.
  return { entry: Object.freeze(recorded), json: JSON.stringify(recorded) }
}

/** Adds the commit that an entry is about. */
export function withCommit (
  { entry, json }: RecordedEntry, commit: Required<Pick<AuditEntry, 'revision' | 'epoch'>>
): RecordedEntry {
  return {
    entry: Object.freeze({ ...entry, ...commit }),
    json: `${json.slice(0, -1)},${JSON.stringify(commit).slice(1)}`
  }
}

const plain = /^[ -~]*$/

/** Text that every sink can hold (PostgreSQL has no NUL, UTF-8 no halves of pairs), cut to a length. */
export function clean (text: string, maxChars: number): string {
  // Nearly all are short and plain.
  if (text.length <= maxChars && plain.test(text)) return text
  const cut = text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text
  return cut.includes('\0') || !cut.isWellFormed() ? cut.replaceAll('\0', '\uFFFD').toWellFormed() : cut
}

function boundDetails (details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const json = JSON.stringify(details, (_name, value: unknown) =>
    typeof value === 'string' ? clean(value, MAX_TEXT_CHARS) : value
  )
  // The digest tells two long ones apart, and one from a text that is known.
  if (json.length > MAX_DETAILS_CHARS) {
    return Object.freeze(
      { truncated: true, sha256: createHash('sha256').update(JSON.stringify(details)).digest('hex') }
    )
  }
  return JSON.parse(json, (_name, value: unknown) => Object.freeze(value)) as Record<string, unknown>
}
