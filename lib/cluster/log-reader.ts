import { PostgresConnection, type PostgresSource, type PostgresUser } from '../postgres/connection.js'
import { CHANNEL } from './lease.js'
import { MAX_PAGE_MS } from './log-rows.js'

const { setTimeout: startTimer, clearTimeout: cancelTimer } = globalThis

/** Time after which the log is looked at without a hint, in milliseconds. */
const POLL_MS = 100

/** The connection that reads a log, and hears of its changes. It is opened anew when it was lost. */
export class LogReader {
  readonly #source: PostgresSource
  readonly #user: PostgresUser
  #connection: Promise<PostgresConnection> | undefined
  #isClosed = false
  #isHinted = false
  #timer: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined

  constructor (source: PostgresSource, user: PostgresUser) {
    this.#source = source
    this.#user = user
  }

  /**
   * Does something with the connection, which is opened anew for the next call when that rejects.
   * @throws what `work` rejects with, and where the database cannot be reached
   */
  async use<T> (work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error('The log is closed')
    const opening = this.#connection ??= this.#open()
    try {
      return await work(await opening)
    } catch (error) {
      if (this.#connection === opening) this.#connection = undefined
      opening.then(async connection => { await connection.close() }, () => {})
      throw error
    }
  }

  /** Resolves at the next hint, or one since the last call, and after 100 ms without any. */
  async changed (): Promise<void> {
    if (!this.#isHinted && !this.#isClosed) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
        this.#timer = startTimer(resolve, POLL_MS).unref()
      })
      cancelTimer(this.#timer)
    }
    this.#isHinted = false
  }

  async close (): Promise<void> {
    this.#isClosed = true
    this.#hint()
    await this.#connection?.then(async connection => { await connection.close() }, () => {})
  }

  async #open (): Promise<PostgresConnection> {
    const connection = await PostgresConnection.open(this.#source, this.#user)
    connection.onNotification(() => { this.#hint() })
    try {
      await connection.query(`LISTEN ${CHANNEL}; SET statement_timeout = ${MAX_PAGE_MS}`)
    } catch (error) {
      await connection.close()
      throw error
    }
    return connection
  }

  #hint (): void {
    this.#isHinted = true
    this.#wake?.()
  }
}
