import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import type { Tier } from '../permissions/policy.js'
import type { Principal } from '../permissions/principal.js'
import type { Origin } from '../protocol/session.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { NoteOf } from '../store/row-scope.js'
import { recordEntry, type AuditEntry, type RecordedEntry } from './entry.js'
import type { RequestCommits } from './noted-commits.js'
import type { AuditTrail } from './trail.js'

/** The client that an entry is about. */
export interface AuditSubject {
  readonly origin: Origin
  readonly principal: Pick<Principal, 'session'>
  readonly log: Log
}

/** The user of an entry. */
type User = Pick<AuditEntry, 'userId'> & { readonly userName?: string | undefined }

/** Returns the user of a subject as entries name it; `undefined` without a session. */
export function userOf ({ principal: { session } }: Pick<AuditSubject, 'principal'>): User | undefined {
  return session && { userId: session.userId, userName: session.userName }
}

/** How the entries of an operation are made. The functions accept unchecked requests. */
export interface AuditedOperation {
  readonly name: string
  readonly tier: Tier | undefined
  /** Whether it changes nothing but the store: a write is one commit then. */
  readonly usesStore: boolean
  /** Returns the resource of the request; `*` where it names none. */
  readonly resourceOf: (request: RequestMessage) => string
  /** Returns the properties of the request that may be recorded. */
  readonly detailsOf: (request: RequestMessage) => Readonly<Record<string, unknown>> | undefined
}

/** Makes the entry of one request, from its arrival to its outcome. */
export class RequestAudit {
  readonly #trail: AuditTrail
  readonly #operation: AuditedOperation
  readonly #tier: Tier
  readonly #request: RequestMessage
  readonly #subject: AuditSubject
  readonly #clock: Clock
  readonly #userBefore: User | undefined
  #reserved = false
  #isRepeated = false
  #added: AuditEntry['details'] | undefined
  #commits: RequestCommits | undefined
  /** The entry that the note of the last commit has. */
  #noted: RecordedEntry | undefined

  private constructor (
    trail: AuditTrail,
    operation: AuditedOperation,
    tier: Tier,
    request: RequestMessage,
    subject: AuditSubject,
    clock: Clock
  ) {
    this.#trail = trail
    this.#operation = operation
    this.#tier = tier
    this.#request = request
    this.#subject = subject
    this.#clock = clock
    this.#userBefore = userOf(subject)
  }

  /** Begins the entry of a request; returns `undefined` when its tier is not recorded. */
  static begin (
    trail: AuditTrail,
    operation: AuditedOperation | undefined,
    request: RequestMessage,
    subject: AuditSubject,
    clock: Clock
  ): RequestAudit | undefined {
    if (operation === undefined || !trail.covers(operation.tier)) return undefined
    return new RequestAudit(trail, operation, operation.tier, request, subject, clock)
  }

  /**
   * Reserves room for the entry before the request runs; returns a promise when the request must wait.
   * @throws `INTERNAL_ERROR`, see `AuditTrail.reserve`
   */
  reserve (): Promise<void> | undefined {
    const waiting = this.#trail.reserve(this.#tier)
    if (waiting === undefined) {
      this.#reserved = true
      return undefined
    }
    return waiting.then(() => { this.#reserved = true })
  }

  /**
   * The function that makes the notes of the request's commits; `undefined` where no sink uses them. Must be
   * read after `reserve`.
   */
  get note (): NoteOf | undefined {
    const { commits } = this.#trail
    if (commits?.covers(this.#tier) !== true) return undefined
    return revision => {
      this.#commits ??= commits.begin()
      this.#noted = this.#recordAs(undefined)
      return this.#commits.note(revision, this.#isOneCommit, this.#noted)
    }
  }

  /** Records in the details that nothing was done: the request is answered as an earlier one with its key. */
  noteRepetition (): void {
    this.#isRepeated = true
  }

  /** Adds details that only the operation knows. */
  addDetails (details: Readonly<Record<string, unknown>>): void {
    this.#added = { ...this.#added, ...details }
  }

  /** Waits until each commit is durable or rolled back; `undefined` when none is pending. Precedes `end`. */
  settled (): Promise<unknown> | undefined {
    return this.#commits?.settled()
  }

  /**
   * Records the outcome; `error` is the message that the client gets. Returns a promise when the reply must
   * wait, see `AuditTrail.record`.
   */
  end (error: string | undefined): Promise<boolean> | undefined {
    const { durable = [], count = 0 } = this.#commits ?? {}
    const noted = this.#noted
    // The store's log has this very entry on the disk.
    const isKept = noted !== undefined && error === undefined && this.#isOneCommit && count === 1 &&
      durable.length === 1 && noted.entry.userId === this.#user.userId
    const recorded = isKept ? noted : this.#recordAs(error)
    const { log } = this.#subject
    return this.#trail.record(recorded, {
      tier: this.#tier, reserved: this.#reserved, log, commits: durable, isKept
    })
  }

  get #isOneCommit (): boolean {
    return this.#tier === 'write' && this.#operation.usesStore
  }

  get #user (): User {
    // After a logout, the entry names the user who has logged out.
    return userOf(this.#subject) ?? this.#userBefore ?? { userId: null }
  }

  get #details (): AuditEntry['details'] | undefined {
    const own = this.#operation.detailsOf(this.#request)
    const details = this.#added === undefined ? own : { ...own, ...this.#added }
    return this.#isRepeated ? { ...details, repeated: true } : details
  }

  #recordAs (error: string | undefined): RecordedEntry {
    const { origin } = this.#subject
    const { userId, userName } = this.#user
    return recordEntry({
      timestamp: this.#clock.now(),
      userId,
      userName,
      sessionId: origin.connectionId,
      operation: this.#operation.name,
      resource: this.#operation.resourceOf(this.#request),
      result: error === undefined ? 'success' : 'error',
      error,
      details: this.#details,
      remoteAddress: origin.remoteAddress
    })
  }
}
