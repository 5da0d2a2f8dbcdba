import { createHash, randomBytes } from 'node:crypto'
import type { Authenticator } from '../auth/authenticator.js'
import type { Origin, Session } from '../protocol/session.js'
import { TokenRefusal } from '../auth/token-refusal.js'
import type { Clock } from '../util/clock.js'
import type { NoteOf } from '../store/row-scope.js'
import type { Directory, DirectoryWrite } from './directory.js'

/** 256 bits: too many to guess, and enough for a fast hash to be stored. */
const TOKEN_BYTES = 32

/** Longer texts are refused as tokens without a look-up. */
const MAX_TOKEN_CHARS = 200

const MAX_USER_AGENT_CHARS = 256

/** Time between two removals of expired sessions, in milliseconds. */
const SWEEP_MS = 60_000

/** A session of the built-in identity. Its roles and state are read from the directory at each access. */
export class IdentitySession implements Session {
  readonly id: string
  readonly userId: string
  readonly expiresAt: number
  readonly metadata = undefined
  readonly #directory: Directory

  constructor (id: string, userId: string, expiresAt: number, directory: Directory) {
    this.id = id
    this.userId = userId
    this.expiresAt = expiresAt
    this.#directory = directory
  }

  get userName (): string | undefined {
    return this.#directory.user(this.userId)?.username
  }

  get roles (): readonly string[] {
    return this.#directory.roleNamesOf(this.userId)
  }

  get state (): Session['state'] {
    if (!this.#directory.isActive(this.userId)) return 'barred'
    return this.#directory.session(this.id) === undefined ? 'ended' : 'live'
  }
}

/** A session that has just begun. */
export interface NewSession {
  /** The token with which the client logs in again. It is not stored. */
  readonly token: string
  readonly session: IdentitySession
}

/** Options of a session that begins. */
interface BeginOptions {
  /** Writes to make in the same step. */
  readonly writes?: readonly DirectoryWrite[]
  /** The id of a session that is about to end, and does not count for `maxSessionsPerUser`. */
  readonly replaced?: string
  readonly note?: NoteOf | undefined
}

/** Keeps the sessions of the built-in identity: records with the hash of a token as id. */
export class SessionService implements Authenticator {
  readonly #directory: Directory
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #maxPerUser: number
  #cancelSweep: () => void

  constructor (
    directory: Directory,
    clock: Clock,
    { sessionTtl, maxSessionsPerUser }: { readonly sessionTtl: number, readonly maxSessionsPerUser: number }
  ) {
    this.#directory = directory
    this.#clock = clock
    this.#ttlMs = sessionTtl
    this.#maxPerUser = maxSessionsPerUser
    this.#cancelSweep = clock.after(SWEEP_MS, () => { this.#sweep() })
  }

  close (): void {
    this.#cancelSweep()
  }

  identify = async (token: string): Promise<IdentitySession | TokenRefusal> => {
    const record = token.length > MAX_TOKEN_CHARS ? undefined : this.#directory.session(idOf(token))
    return record === undefined
      ? new TokenRefusal('there is no session with this token')
      : new IdentitySession(record.id, record.userId, record.expiresAt, this.#directory)
  }

  /** Returns `false`: a session reads its state from the directory. */
  isStale = (): boolean => false

  confirm = async (session: Session): Promise<Session> => session

  /**
   * Begins a session. The oldest ones of the user end where it would have more than `maxSessionsPerUser`. To
   * be called inside `exclusive`.
   */
  async begin (
    userId: string, { remoteAddress, headers }: Origin, { writes = [], replaced, note }: BeginOptions = {}
  ): Promise<NewSession> {
    const now = this.#clock.now()
    const ending = new Set([replaced, ...writes.map(write => 'delete' in write ? write.delete : undefined)])
    const present = this.#directory
      .sessionsOf(userId)
      .filter(({ id, expiresAt }) => expiresAt >= now && !ending.has(id))
      .sort((a, b) => a.createdAt - b.createdAt)
    const surplus = present.slice(0, Math.max(0, present.length - this.#maxPerUser + 1))
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    const id = idOf(token)
    const expiresAt = now + this.#ttlMs
    const userAgent = headers['user-agent']
    await this.#directory.write([
      ...writes,
      ...surplus.map(session => ({ bucket: '_sessions' as const, delete: session.id })),
      {
        bucket: '_sessions',
        insert: {
          id,
          userId,
          expiresAt,
          createdAt: now,
          ip: remoteAddress,
          ...(typeof userAgent === 'string' && { userAgent: userAgent.slice(0, MAX_USER_AGENT_CHARS) })
        }
      }
    ], { user: userId, note })
    return { token, session: new IdentitySession(id, userId, expiresAt, this.#directory) }
  }

  /** Returns the writes that delete all sessions of a user. */
  deletionsFor (userId: string): DirectoryWrite[] {
    return this.#directory.sessionsOf(userId).map(({ id }) => ({ bucket: '_sessions', delete: id }))
  }

  /** Ends one session on all connections that use it. */
  async end ({ id, userId }: IdentitySession, note?: NoteOf): Promise<void> {
    await this.#directory.endSessions([id], { user: userId, note })
  }

  #sweep (): void {
    const now = this.#clock.now()
    this.#directory.retryDeletions().catch(() => {})
    this.#directory
      .endSessions(
        this.#directory
          .sessions()
          .filter(({ expiresAt }) => expiresAt < now)
          .map(({ id }) => id)
      )
      .catch(() => {})
    this.#cancelSweep = this.#clock.after(SWEEP_MS, () => { this.#sweep() })
  }
}

function idOf (token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
