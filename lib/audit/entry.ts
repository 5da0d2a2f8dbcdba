import { createHash } from 'node:crypto'

/**
 * One entry of the audit trail: user, operation, resource, time, address and result. PROTOCOL.md, "Audit".
 */
export interface AuditEntry {
  /** Epoch milliseconds. */
  readonly timestamp: number
  /**
   * The user after the operation, or before it where the operation ended the session; `null` without login.
   */
  readonly userId: string | null
  /** The name of that user at the time, where it has one beside the id. */
  readonly userName?: string
  /** The id of the connection, under the name of noex-server; `null` for an entry of the server itself. */
  readonly sessionId: string | null
  readonly operation: string
  /** The resource that the operation acts on, for instance a bucket; `*` where it names none. */
  readonly resource: string
  readonly result: 'success' | 'error'
  /** The message that the client got; only with the result `error`. */
  readonly error?: string
  /** Properties of the request that the operation records; never passwords, tokens or record data. */
  readonly details?: Readonly<Record<string, unknown>>
  /** The client's address; empty for an entry of the server itself. */
  readonly remoteAddress: string
  /** Revision of the request's last commit, in sinks that restore entries after a crash. */
  readonly revision?: number
  /** Id of the store's history that `revision` counts. */
  readonly epoch?: string
}

/** An entry with its JSON text, made once for all sinks. */
export interface RecordedEntry {
  readonly entry: AuditEntry
  /** The entry's properties in order, in one line of at most 16,384 characters: longer parts are cut. */
  readonly json: string
}

const MAX_TEXT_CHARS = 256
const MAX_ERROR_CHARS = 1_024
const MAX_DETAILS_CHARS = 8_192

/** The parts of an entry; those that are absent may be `undefined`. */
type EntryInput = Omit<AuditEntry, 'userName' | 'error' | 'details'> & {
  readonly userName?: string | undefined
  readonly error?: string | undefined
  readonly details?: AuditEntry['details'] | undefined
}

/** Makes an entry, frozen, within the bounds of length and in the order in which properties are stored. */
export function recordEntry (entry: EntryInput): RecordedEntry {
  const { timestamp, userId, userName, sessionId, operation, resource, result, error } = entry
  const { details, remoteAddress } = entry
  // Absent properties are left out without spreads: this runs for every request that is recorded.
  const recorded = {
    timestamp,
    userId: userId === null ? null : clean(userId, MAX_TEXT_CHARS)
  } as { -readonly [Name in keyof AuditEntry]: AuditEntry[Name] }
  if (userName !== undefined) recorded.userName = clean(userName, MAX_TEXT_CHARS)
  recorded.sessionId = sessionId
  recorded.operation = operation
  recorded.resource = clean(resource, MAX_TEXT_CHARS)
  recorded.result = result
  if (error !== undefined) recorded.error = clean(error, MAX_ERROR_CHARS)
  if (details !== undefined) recorded.details = boundDetails(details)
  recorded.remoteAddress = remoteAddress
  // The application, its logger and its sinks get the same object.
  return { entry: Object.freeze(recorded), json: JSON.stringify(recorded) }
}

/** Returns an entry with its commit added. */
export function withCommit (
  { entry, json }: RecordedEntry, commit: Required<Pick<AuditEntry, 'revision' | 'epoch'>>
): RecordedEntry {
  return {
    entry: Object.freeze({ ...entry, ...commit }),
    json: `${json.slice(0, -1)},${JSON.stringify(commit).slice(1)}`
  }
}

const plain = /^[ -~]*$/

/**
 * Returns a text that every sink can store, cut to a length: PostgreSQL has no NUL, UTF-8 no lone surrogate.
 */
function clean (text: string, maxChars: number): string {
  // The usual case.
  if (text.length <= maxChars && plain.test(text)) return text
  const cut = text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text
  return cut.includes('\0') || !cut.isWellFormed() ? cut.replaceAll('\0', '\uFFFD').toWellFormed() : cut
}

function boundDetails (details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const json = JSON.stringify(details, (_name, value: unknown) =>
    typeof value === 'string' ? clean(value, MAX_TEXT_CHARS) : value
  )
  // The digest allows to compare details that are too long, with each other and with a known text.
  if (json.length > MAX_DETAILS_CHARS) {
    return Object.freeze(
      { truncated: true, sha256: createHash('sha256').update(JSON.stringify(details)).digest('hex') }
    )
  }
  return JSON.parse(json, (_name, value: unknown) => Object.freeze(value)) as Record<string, unknown>
}

/** Returns whether the properties of an object are those of an entry. */
export function isEntry (entry: AuditEntry): boolean {
  const { timestamp, userId, sessionId, operation, resource, result, error, remoteAddress } = entry
  const { userName, revision, epoch } = entry
  return (
    Number.isSafeInteger(timestamp) &&
    isTextOrNull(userId) &&
    (userName === undefined || typeof userName === 'string') &&
    isTextOrNull(sessionId) &&
    typeof operation === 'string' &&
    typeof resource === 'string' &&
    (result === 'success' || result === 'error') &&
    (error === undefined || typeof error === 'string') &&
    typeof remoteAddress === 'string' &&
    (revision === undefined || Number.isSafeInteger(revision)) &&
    (epoch === undefined || typeof epoch === 'string')
  )
}

/** Returns whether an entry is of a user, given by its id or its name. */
export function isOfUser ({ userId, userName }: AuditEntry, user: string): boolean {
  return userId === user || userName === user
}

function isTextOrNull (value: unknown): boolean {
  return value === null || typeof value === 'string'
}
