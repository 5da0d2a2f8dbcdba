import type { ChainHead, EntryRange, SealedEntry } from '../chain/chain.js'
import type { SinkContext } from '../sink.js'
import type { PostgresSource } from '../../postgres/connection.js'
import type { Start } from './start.js'
import { StreamTakenError, TableSession } from './table.js'

/** Inserts entries into one stream of a table; connects again when a connection has failed. */
export class TableStream {
  readonly #source: PostgresSource & { readonly table: string }
  readonly #stream: string
  readonly #context: SinkContext
  #session: TableSession | undefined
  #stored: ChainHead
  #taken: StreamTakenError | undefined

  constructor (source: PostgresSource & { readonly table: string }, start: Start, context: SinkContext) {
    this.#source = source
    this.#stream = start.stream
    this.#session = start.session
    this.#stored = start.stored
    this.#context = context
  }

  /** The last entry that the table is known to have. */
  get stored (): ChainHead {
    return this.#stored
  }

  /** The error that ends all writing, because another process writes the stream; `undefined` before. */
  get taken (): StreamTakenError | undefined {
    return this.#taken
  }

  /** Inserts consecutive entries, at most `BATCH_ROWS`. When it rejects, the connection is closed. */
  async insert (entries: readonly SealedEntry[], timeoutMs?: number): Promise<void> {
    try {
      this.#session ??= await this.#connect()
      await this.#session.insert(entries, timeoutMs)
      const { seq, hash } = entries.at(-1) ?? this.#stored
      this.#stored = { seq, hash }
    } catch (error) {
      if (error instanceof StreamTakenError) this.#taken = error
      await this.disconnect()
      throw error
    }
  }

  /** Records in the trail that entries are gone which were durable. */
  noteLost (range: EntryRange): void {
    const details = { ...range, stream: this.#stream }
    this.#context.log.error(details, 'audit entries have been removed from the table or the spool')
    this.#context.note(
      'audit.lost',
      details,
      'entries that were durable have been removed from the table or the spool'
    )
  }

  /** Closes the connection; the next insert opens another one. */
  async disconnect (): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.close()
  }

  /**
   * Connects, and checks that the table still has its last entry: after a failover, a replica may lack some.
   */
  async #connect (): Promise<TableSession> {
    const session = await TableSession.open(this.#source, this.#source.table, this.#stream)
    try {
      const last = await session.last()
      const stored = this.#stored
      const isChanged = last.seq === stored.seq && last.hash !== stored.hash
      if (last.seq < stored.seq) this.noteLost({ from: last.seq + 1, to: stored.seq })
      else if (isChanged) this.noteLost({ from: stored.seq, to: stored.seq })
      this.#stored = last
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }
}
