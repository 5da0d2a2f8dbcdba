import type { PostgresConnection } from '../postgres/connection.js'
import { FORMAT } from './tables.js'

/** Channel of the hints, whose payload is the name of the log. */
export const CHANNEL = 'noex_log'

/** The part of the options that statements need. */
export interface LeaseSettings {
  /** Names the log in the tables. */
  readonly name: string
  /** Names this process in the lease, for people. */
  readonly holder: string
  readonly leaseMs: number
}

/** The row of a log in `noex_lease`. */
export interface LeaseRow {
  readonly term: number
  /** `undefined` where it has been given back. */
  readonly holder: string | undefined
  readonly lastRevision: number
  /** Revision with which the log began; `undefined` where it has not. */
  readonly firstRevision: number | undefined
  readonly epoch: string
  readonly format: number
  /** Whether its time is up, by the clock of the database. */
  readonly isExpired: boolean
}

const columns = 'term, holder, last_revision, first_revision, epoch::text AS epoch, format, ' +
  'expires_at <= clock_timestamp() AS is_expired'

/** The lock that the session of a term has, from before its row says so until the session ends. */
const lockOf = (term: string): string => `hashtextextended('noex_lease:' || $1 || ':' || ${term}, 0)`
const expiry = (parameter: string): string =>
  `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`

// Nothing is inserted unless the row is still of this term, and at the revision before.
const append = {
  name: 'noex-append',
  text: `WITH fence AS (
      UPDATE noex_lease SET last_revision = $4, expires_at = ${expiry('$5')},
        first_revision = coalesce(first_revision, $4::bigint - $6::int + 1)
      WHERE name = $1 AND term = $2 AND last_revision = $3 RETURNING name
    ), entry AS (
      INSERT INTO noex_log (name, revision, term, n, at, format, body)
      SELECT name, $4, $2, $6, clock_timestamp(), ${FORMAT}, $7 FROM fence RETURNING name
    ) SELECT pg_notify('${CHANNEL}', name) FROM entry`
} as const

const renew = {
  name: 'noex-renew',
  text: `UPDATE noex_lease SET expires_at = ${expiry('$3')} WHERE name = $1 AND term = $2
    RETURNING last_revision`
} as const

const look = {
  name: 'noex-look',
  text: `SELECT ${columns} FROM noex_lease WHERE name = $1`
} as const

const lookAndLock = {
  name: 'noex-look-and-lock',
  text: `SELECT ${columns}, pg_try_advisory_lock(${lockOf('term')}) AS is_unlocked
    FROM noex_lease WHERE name = $1`
} as const

/**
 * Reads the row of a log, which is made where it is missing; `epoch` names the history of a new one.
 */
export async function readOrMakeLease (
  connection: PostgresConnection, name: string, epoch: string
): Promise<LeaseRow> {
  await connection.query(`INSERT INTO noex_lease
    (name, format, term, holder, address, last_revision, expires_at, epoch)
    VALUES ($1, $2, 0, NULL, NULL, 0, clock_timestamp(), $3) ON CONFLICT (name) DO NOTHING`,
  [name, FORMAT, epoch])
  return await readLease(connection, name)
}

/** @throws where there is no row, naming it; where its format is a newer one */
export async function readLease (connection: PostgresConnection, name: string): Promise<LeaseRow> {
  const { rows } = await connection.query(look, [name])
  return rowOf(rows, name)
}

/** The right to write a log in one term. It is bound to one connection: with that, the term ends. */
export class Lease {
  readonly #connection: PostgresConnection
  readonly #settings: LeaseSettings
  readonly #timeoutMs: number
  readonly term: number
  readonly epoch: string
  /** Revision of the last entry of the log. */
  lastRevision: number

  private constructor (connection: PostgresConnection, settings: LeaseSettings, row: LeaseRow) {
    this.#connection = connection
    this.#settings = settings
    this.#timeoutMs = timeoutOf(settings)
    this.term = row.term
    this.epoch = row.epoch
    this.lastRevision = row.lastRevision
  }

  /**
   * Takes the lease for a connection where it is free: given back, its time up, the session of its holder
   * ended, or that of `formerTerm`, one of this process. Resolves with the row where it is not.
   */
  static async claim (
    connection: PostgresConnection, settings: LeaseSettings, formerTerm: number | undefined
  ): Promise<Lease | LeaseRow> {
    const { name, holder, leaseMs } = settings
    const timeoutMs = timeoutOf(settings)
    const { rows } = await connection.query(lookAndLock, [name], timeoutMs)
    const row = rowOf(rows, name)
    const isUnlocked = rows[0].is_unlocked as boolean
    if (!isUnlocked && !row.isExpired && row.term !== formerTerm) return row
    const next = row.term + 1
    const locked = await connection.query(
      `SELECT pg_try_advisory_lock(${lockOf('$2::bigint')}) AS locked`, [name, next], timeoutMs)
    let claimed: any[] = []
    if (locked.rows[0].locked === true) {
      ({ rows: claimed } = await connection.query(`UPDATE noex_lease
        SET term = $3, holder = $4, expires_at = ${expiry('$5')}
        WHERE name = $1 AND term = $2 RETURNING ${columns}`,
      [name, row.term, next, holder, leaseMs], timeoutMs))
      if (claimed.length === 0) await unlock(connection, name, next, timeoutMs)
    }
    if (isUnlocked) await unlock(connection, name, row.term, timeoutMs)
    return claimed.length === 0 ? row : new Lease(connection, settings, rowOf(claimed, name))
  }

  /** Whether the connection is known to be lost, and the term with it. */
  get isLost (): boolean {
    return this.#connection.isLost
  }

  /**
   * Inserts a group of `count` entries that ends with a revision, after the last one. Resolves with whether
   * the lease was still held; otherwise nothing is done. When it rejects, the outcome may be unknown.
   */
  async append (revision: number, count: number, body: string): Promise<boolean> {
    const { name, leaseMs } = this.#settings
    const { rows } = await this.#connection.query(
      append, [name, this.term, this.lastRevision, revision, leaseMs, count, body], this.#timeoutMs)
    if (rows.length === 0) return false
    this.lastRevision = revision
    return true
  }

  /** Renews the lease; resolves with whether it was still held. */
  async renew (): Promise<boolean> {
    const { name, leaseMs } = this.#settings
    const { rows } = await this.#connection.query(renew, [name, this.term, leaseMs], this.#timeoutMs)
    return rows.length > 0
  }

  /** Gives the lease back, so that another process may take it at once, and ends the connection. */
  async release (): Promise<void> {
    try {
      await this.#connection.query(`WITH freed AS (
          UPDATE noex_lease SET holder = NULL, expires_at = clock_timestamp()
          WHERE name = $1 AND term = $2 RETURNING name
        ) SELECT pg_notify('${CHANNEL}', name) FROM freed`, [this.#settings.name, this.term], this.#timeoutMs)
    } finally {
      await this.close()
    }
  }

  /** Ends the connection, and the term with it. Never rejects. */
  async close (): Promise<void> {
    await this.#connection.close()
  }
}

async function unlock (
  connection: PostgresConnection, name: string, term: number, timeoutMs: number
): Promise<void> {
  await connection.query(`SELECT pg_advisory_unlock(${lockOf('$2::bigint')})`, [name, term], timeoutMs)
}

/** Returns how long a statement may take, in milliseconds: a longer one costs the lease. */
function timeoutOf ({ leaseMs }: LeaseSettings): number {
  return Math.min(5_000, Math.max(1_000, leaseMs))
}

function rowOf (rows: readonly any[], name: string): LeaseRow {
  const [row] = rows
  if (row === undefined) {
    throw new Error(`cluster.postgres: table noex_lease has no row "${name}" any more: bring the ` +
      'tables back from a backup, or start all nodes again for a new log')
  }
  if (row.format > FORMAT) {
    throw new Error(`cluster.postgres: the log "${name}" has format ${row.format}, and this version reads ` +
      `${FORMAT}: it takes a newer one`)
  }
  return {
    term: Number(row.term),
    holder: row.holder ?? undefined,
    lastRevision: Number(row.last_revision),
    firstRevision: row.first_revision === null ? undefined : Number(row.first_revision),
    epoch: row.epoch,
    format: row.format,
    isExpired: row.is_expired
  }
}
