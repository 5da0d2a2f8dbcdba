import { setTimeout as sleep } from 'node:timers/promises'
import { Backoff } from '@hamicek/noex-journal'
import { seal, type ChainHead, type SealedEntry } from '../chain/chain.js'
import { CheckpointAnnouncer } from '../chain/checkpoint-announcer.js'
import type { RecordedEntry } from '../entry.js'
import { describe, isAway, reasonOf } from './client.js'
import { begin, type Start, type WriterSettings } from './start.js'
import { BATCH_ROWS, StreamTakenError, TableSession } from './table.js'
import type { SinkContext, SinkWriter } from '../sink.js'
import { parseSpoolLine, spoolLine } from './spool-file.js'
import { Spool } from './spool.js'
import type { EntryRange } from '../file/trail-notes.js'

/** With a spool, a database that hangs is left before whoever waits for a reply has lost patience. */
const SPOOL_AFTER_MS = 2_000

/** An entry with its place in the chain, and its line. */
interface Row {
  readonly entry: SealedEntry
  readonly line: string
}

/** Writes one stream of a table, past the database's absences. */
export class PostgresWriter implements SinkWriter {
  readonly #settings: WriterSettings
  readonly #context: SinkContext
  readonly #stream: string
  readonly #spool: Spool | undefined
  readonly #announcer: CheckpointAnnouncer
  readonly #closing = new AbortController()
  #head: ChainHead
  #session: TableSession | undefined
  /** The last entry that the table is known to have. */
  #stored: ChainHead
  /** The last entry that is in the spool, or was. */
  #spooledSeq: number
  /** Up to this entry, what the spool had and the table has not is lost; `undefined` while nothing is. */
  #lostTo: number | undefined
  /** As long as the spool has entries, everything goes there. */
  #replaying: Promise<void> | undefined
  #writing: Promise<void> | undefined
  #taken: StreamTakenError | undefined

  private constructor (
    settings: WriterSettings,
    context: SinkContext,
    spool: Spool | undefined,
    start: Start
  ) {
    const { stream, head, stored, session } = start
    this.#settings = settings
    this.#context = context
    this.#spool = spool
    this.#stream = stream
    this.#head = head
    this.#stored = stored
    this.#spooledSeq = head.seq
    this.#session = session
    this.#announcer = new CheckpointAnnouncer(settings, stream, head, context)
  }

  /** Gets table, stream and spool ready. Rejects when it cannot be written as things are. */
  static async open (settings: WriterSettings, context: SinkContext): Promise<PostgresWriter> {
    const spool = settings.spoolPath === undefined ? undefined : await Spool.open(settings.spoolPath)
    try {
      const start = await begin(settings, context, spool)
      const writer = new PostgresWriter(settings, context, spool, start)
      if (spool !== undefined && spool.torn > 0) {
        context.note('audit.recovered', { bytes: spool.torn, spool: true })
      }
      if (spool?.isEmpty === false) writer.#startReplay(spool)
      return writer
    } catch (error) {
      await spool?.close()
      throw error
    }
  }

  async write (batch: readonly RecordedEntry[]): Promise<void> {
    this.#writing = this.#write(batch.map(recorded => this.#seal(recorded)))
    await this.#writing
  }

  async close (): Promise<void> {
    this.#closing.abort()
    await this.#writing?.catch(() => {})
    await this.#disconnect()
    await this.#replaying
    // The replay may have been about to connect.
    await this.#disconnect()
    this.#announcer.close()
    await this.#spool?.close()
  }

  #seal ({ entry, json }: RecordedEntry): Row {
    const { seq, hash, line } = seal(json, this.#head)
    this.#head = { seq, hash }
    return { entry: { ...entry, seq, hash }, line }
  }

  async #write (rows: Row[]): Promise<void> {
    const head = this.#head
    const backoff = new Backoff()
    for (;;) {
      const isLast = this.#closing.signal.aborted
      try {
        if (this.#taken !== undefined) throw this.#taken
        await this.#store(rows)
        this.#announcer.durable(head)
        return
      } catch (error) {
        this.#context.failing(describe(error), reasonOf(error))
        if (isLast) throw error
      }
      await this.#pause(this.#taken === undefined ? backoff.next() : Infinity)
    }
  }

  /** Makes rows durable; those that are leave the array. */
  async #store (rows: Row[]): Promise<void> {
    if (this.#replaying === undefined) {
      try {
        await this.#insertAll(rows)
        return
      } catch (error) {
        if (this.#spool === undefined || this.#taken !== undefined) throw error
        this.#context.log.warn({ err: describe(error) }, 'the database fails: audit entries go to the spool')
      }
    }
    const spool = this.#spool as Spool
    const before = this.#spooledSeq
    const hasBegun = await spool.append(rows.map(({ line }) => `${spoolLine(this.#stream, line)}\n`).join(''))
    if (hasBegun) this.#lostTo = before
    this.#spooledSeq = rows.at(-1)?.entry.seq ?? before
    rows.length = 0
    if (this.#replaying === undefined) this.#startReplay(spool)
  }

  async #insertAll (rows: Row[]): Promise<void> {
    const timeoutMs = this.#spool === undefined ? undefined : SPOOL_AFTER_MS
    while (rows.length > 0) {
      const part = rows.slice(0, BATCH_ROWS)
      await this.#insert(part.map(({ entry }) => entry), timeoutMs)
      rows.splice(0, part.length)
    }
  }

  async #insert (entries: readonly SealedEntry[], timeoutMs?: number): Promise<void> {
    try {
      this.#session ??= await this.#connect()
      await this.#session.insert(entries, timeoutMs)
      const { seq, hash } = entries.at(-1) ?? this.#stored
      this.#stored = { seq, hash }
    } catch (error) {
      if (error instanceof StreamTakenError) this.#taken = error
      await this.#disconnect()
      throw error
    }
  }

  /**
   * Connects, and looks whether the table still has what it had: a server that takes over may not have got
   * all.
   */
  async #connect (): Promise<TableSession> {
    const session = await TableSession.open(this.#settings, this.#settings.table, this.#stream)
    try {
      const last = await session.last()
      const stored = this.#stored
      const isChanged = last.seq === stored.seq && last.hash !== stored.hash
      if (last.seq < stored.seq) this.#tellLost({ from: last.seq + 1, to: stored.seq })
      else if (isChanged) this.#tellLost({ from: stored.seq, to: stored.seq })
      this.#stored = last
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }

  /** States in the trail that entries are gone which were durable. */
  #tellLost (range: EntryRange): void {
    const details = { ...range, stream: this.#stream }
    this.#context.log.error(details, 'audit entries have been removed from the table or the spool')
    this.#context.note(
      'audit.lost',
      details,
      'entries that were durable have been removed from the table or the spool'
    )
  }

  async #disconnect (): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.close()
  }

  #startReplay (spool: Spool): void {
    if (!this.#closing.signal.aborted) this.#replaying = this.#replay(spool)
  }

  /** Brings what is in the spool to the database, until there is nothing left. Never rejects. */
  async #replay (spool: Spool): Promise<void> {
    let position = 0
    let { generation } = spool
    this.#lostTo = undefined
    const backoff = new Backoff()
    while (!this.#closing.signal.aborted) {
      try {
        const { lines, next } = await spool.read(generation, position, BATCH_ROWS)
        if (spool.generation !== generation) {
          this.#loseSpool()
          generation = spool.generation
          position = 0
        } else if (lines.length > 0) {
          await this.#insert(lines.map(entryOf))
          position = next
        } else if (await spool.clear(generation, position)) {
          position = 0
          if (spool.isEmpty) break
        }
        backoff.reset()
      } catch (error) {
        if (this.#taken !== undefined) {
          this.#context.failing(this.#taken, reasonOf(error))
          return
        }
        this.#logFailure(error)
        await this.#pause(backoff.next())
      }
    }
    if (this.#closing.signal.aborted) return
    this.#replaying = undefined
    this.#context.log.info({ stream: this.#stream }, 'the spool of the audit trail is empty again')
  }

  /** Others have taken away the spool, with what has not come to the table. */
  #loseSpool (): void {
    const range = { from: this.#stored.seq + 1, to: this.#lostTo ?? this.#spooledSeq }
    this.#lostTo = undefined
    if (range.from <= range.to) this.#tellLost(range)
  }

  /** That the database is away has been said; what does not pass by itself is said each time. */
  #logFailure (error: unknown): void {
    const details = { err: describe(error), reason: reasonOf(error) }
    if (isAway(error)) this.#context.log.debug(details, 'the database still fails')
    else this.#context.log.error(details, 'the spool of the audit trail cannot be emptied')
  }

  /** Waits; `close` ends it. */
  async #pause (ms: number): Promise<void> {
    const { signal } = this.#closing
    if (ms !== Infinity) {
      await sleep(ms, undefined, { signal }).catch(() => {})
    } else if (!signal.aborted) {
      await new Promise(resolve => { signal.addEventListener('abort', resolve, { once: true }) })
    }
  }
}

function entryOf (text: string): SealedEntry {
  const line = parseSpoolLine(text)
  if (line === undefined) throw new Error('the spool is damaged')
  return line.entry
}
