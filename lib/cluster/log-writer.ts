import {
  LogAheadError, LogFollowedError, LogRefusedError, LogUnansweredError
} from '@hamicek/noex-store/log'
import {
  describe, PostgresConnection, type PostgresSource, type PostgresUser
} from '../postgres/connection.js'
import { isDefinite, withRemedy } from './database-faults.js'
import { Lease, type LeaseRow, type LeaseSettings } from './lease.js'

const { setTimeout: startTimer } = globalThis

/** Pause between two attempts to reach the database, in milliseconds. */
const RETRY_MS = 50

/** A group of entries as a row has it. */
export interface Group {
  /** Revision of its last entry. */
  readonly revision: number
  readonly count: number
  readonly body: string
}

interface WriterOptions extends LeaseSettings {
  readonly source: PostgresSource
  readonly user: PostgresUser
}

/**
 * Writes a log while this process has its lease, and takes the lease where it is free. One call at a time
 * reaches the database. Each connection is a term of its own: what an earlier one may have left under way
 * cannot be done any more once the next one is there.
 */
export class LogWriter {
  readonly #options: WriterOptions
  #connection: PostgresConnection | undefined
  #lease: Lease | undefined
  /** The last term of this process; with `undefined` it has had none, or another one has followed. */
  #term: number | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor (options: WriterOptions) {
    this.#options = options
  }

  /** The lease, as far as it is known to be held. */
  get lease (): Lease | undefined {
    return this.#lease
  }

  /** Whether this process was the last to write, as far as it knows; it may have lost its connection. */
  get isLeading (): boolean {
    return this.#term !== undefined
  }

  /**
   * Takes or keeps the lease. Resolves with it.
   * @throws LogFollowedError while another process has it; what the database says
   */
  async lead (): Promise<Lease> {
    return await this.#inTurn(async () => await this.#lead())
  }

  /**
   * Renews the lease of a process whose store is at a revision.
   * @throws LogAheadError, LogRefusedError when the log is at another one; as `lead`
   */
  async renew (revision: number): Promise<void> {
    await this.#inTurn(async () => {
      assertAt(revision, (await this.#lead()).lastRevision, this.#options.name)
      await this.#keep()
    })
  }

  /** Renews the lease, unless another process is known to have it. @throws as `lead` */
  async keep (): Promise<void> {
    await this.#inTurn(async () => { if (this.isLeading) await this.#keep() })
  }

  async #keep (): Promise<void> {
    const lease = await this.#lead()
    try {
      if (await lease.renew()) return
    } catch (error) {
      if (!isDefinite(error)) await this.#drop()
      throw withRemedy(error)
    }
    throw await this.#deposed()
  }

  /**
   * Inserts a group after a revision. While the database does not answer, it is tried again for as long as a
   * lease lasts, and at most once is it done.
   * @throws LogFollowedError, LogUnansweredError; LogRefusedError, LogAheadError when the log is at another
   * revision; what the database says
   */
  async append (group: Group, previous: number): Promise<void> {
    await this.#inTurn(async () => { await this.#append(group, previous) })
  }

  /** Gives the lease back. Later calls reject. */
  async close (): Promise<void> {
    this.#isClosed = true
    await this.#turn.catch(() => {})
    const lease = this.#lease
    this.#lease = undefined
    // Where that fails, the end of the session says it, or the time of the lease.
    await lease?.release().catch(() => {})
    await this.#connection?.close()
  }

  async #inTurn<T> (work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return await turn
  }

  async #append (group: Group, previous: number): Promise<void> {
    const deadline = performance.now() + this.#options.leaseMs
    /** Term of an attempt whose outcome is not known. */
    let sentIn: number | undefined
    for (;;) {
      try {
        const lease = await this.#lead()
        if (sentIn !== undefined && lease.lastRevision === group.revision) return
        assertAt(previous, lease.lastRevision, this.#options.name)
        sentIn = undefined
        const { term } = lease
        try {
          if (await lease.append(group.revision, group.count, group.body)) return
        } catch (error) {
          if (isDefinite(error)) throw withRemedy(error)
          sentIn = term
          throw error
        }
        throw await this.#deposed()
      } catch (error) {
        let failure: unknown = error
        try {
          const mayBeDone = error instanceof LogFollowedError && sentIn !== undefined
          if (mayBeDone && await this.#has(group, sentIn as number)) return
          if (isOfLog(error)) throw error
        } catch (thrown) {
          if (thrown === error) throw error
          failure = thrown
        }
        if (sentIn === undefined && isDefinite(failure)) throw failure
        await this.#drop()
        if (this.#isClosed || performance.now() > deadline) throw unanswered(failure, sentIn)
        await new Promise(resolve => { startTimer(resolve, RETRY_MS) })
      }
    }
  }

  async #lead (): Promise<Lease> {
    if (this.#isClosed) throw new Error('The log is closed')
    if (this.#lease?.isLost === true) await this.#drop()
    if (this.#lease !== undefined) return this.#lease
    const { source, user } = this.#options
    if (this.#connection?.isLost === true) await this.#drop()
    let claimed: Lease | LeaseRow
    try {
      this.#connection ??= await PostgresConnection.open(source, user)
      claimed = await Lease.claim(this.#connection, this.#options, this.#term)
    } catch (error) {
      await this.#drop()
      throw isDefinite(error) ? withRemedy(error) : error
    }
    if (claimed instanceof Lease) {
      this.#lease = claimed
      this.#term = claimed.term
      return claimed
    }
    this.#term = undefined
    throw new LogFollowedError(`The log "${this.#options.name}" is written by ` +
      `${claimed.holder ?? 'another process'} (term ${claimed.term})`)
  }

  /** Gives up a lease that another process has taken. */
  async #deposed (): Promise<LogFollowedError> {
    const { name } = this.#options
    this.#term = undefined
    await this.#drop()
    return new LogFollowedError(`Another process has taken over the log "${name}"`)
  }

  /** Whether the log has a group that was sent in a term, which is over. */
  async #has ({ revision }: Group, term: number): Promise<boolean> {
    const { name, source, user } = this.#options
    const connection = this.#connection ??= await PostgresConnection.open(source, user)
    const { rows } = await connection.query(
      'SELECT 1 FROM noex_log WHERE name = $1 AND revision = $2 AND term = $3', [name, revision, term])
    return rows.length > 0
  }

  async #drop (): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    this.#lease = undefined
    await connection?.close()
  }
}

function unanswered (error: unknown, sentIn: number | undefined): Error {
  const text = `the database cannot be reached: ${describe(error).message}`
  return sentIn === undefined
    ? new Error(text, { cause: error })
    : new LogUnansweredError(text, { cause: error })
}

function isOfLog (error: unknown): boolean {
  return error instanceof LogFollowedError || error instanceof LogRefusedError ||
    error instanceof LogAheadError
}

/** @throws unless a store and its log are at one revision */
function assertAt (own: number, last: number, name: string): void {
  if (own === last) return
  if (last > own) throw new LogAheadError(`The log "${name}" is at revision ${last}, the store at ${own}`)
  throw new LogRefusedError(`The log "${name}" is at revision ${last}, and this store at ${own}: the ` +
    'database has lost commits, by a failover to a standby that was behind, or by a backup. Start this ' +
    'node again, which then begins with what the database has')
}
