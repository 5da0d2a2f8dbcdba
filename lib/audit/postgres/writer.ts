import { setTimeout as sleep } from 'node:timers/promises'
import { Backoff } from '@hamicek/noex-journal'
import { seal, type ChainHead, type SealedEntry } from '../chain/chain.js'
import { CheckpointAnnouncer } from '../chain/checkpoint-announcer.js'
import type { RecordedEntry } from '../entry.js'
import type { SinkContext, SinkWriter } from '../sink.js'
import { describe, isAway, reasonOf } from '../../postgres/connection.js'
import { parseSpoolLine, spoolLine } from './spool-file.js'
import { Spool } from './spool.js'
import { begin, type Start, type WriterSettings } from './start.js'
import { TableStream } from './table-stream.js'
import { BATCH_ROWS } from './table.js'

/**
 * Milliseconds after which entries go to the spool: before the `writeTimeoutMs` of waiting replies are over.
 */
const SPOOL_AFTER_MS = 2_000

/** An entry with its number and hash, and its line. */
interface Row {
  readonly entry: SealedEntry
  readonly line: string
}

/** Writes one stream of a table; with a spool, also while the database is away. */
export class PostgresWriter implements SinkWriter {
  readonly #context: SinkContext
  readonly #stream: string
  readonly #table: TableStream
  readonly #spool: Spool | undefined
  readonly #announcer: CheckpointAnnouncer
  readonly #closing = new AbortController()
  #head: ChainHead
  /** The last entry that was appended to the spool. */
  #spooledSeq: number
  /** The last entry of a spool that was removed by another process; `undefined` while none is known. */
  #lostTo: number | undefined
  /** While the spool has entries, all new ones are appended to it. */
  #replaying: Promise<void> | undefined
  #writing: Promise<void> | undefined

  private constructor (
    settings: WriterSettings,
    context: SinkContext,
    spool: Spool | undefined,
    start: Start
  ) {
    const { stream, head } = start
    this.#context = context
    this.#spool = spool
    this.#stream = stream
    this.#table = new TableStream(settings, start, context)
    this.#head = head
    this.#spooledSeq = head.seq
    this.#announcer = new CheckpointAnnouncer(settings, stream, head, context)
  }

  /** Opens table, stream and spool. Rejects when the stream cannot be written. */
  static async open (settings: WriterSettings, context: SinkContext): Promise<PostgresWriter> {
    const spool = settings.spoolPath === undefined ? undefined : await Spool.open(settings.spoolPath)
    try {
      const start = await begin(settings, context, spool)
      const writer = new PostgresWriter(settings, context, spool, start)
      if (spool !== undefined && spool.cutBytes > 0) {
        context.note('audit.recovered', { bytes: spool.cutBytes, spool: true })
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
    await this.#table.disconnect()
    await this.#replaying
    // The replay may have been about to connect.
    await this.#table.disconnect()
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
        if (this.#table.taken !== undefined) throw this.#table.taken
        await this.#store(rows)
        this.#announcer.durable(head)
        return
      } catch (error) {
        this.#context.failing(describe(error), reasonOf(error))
        if (isLast) throw error
      }
      await this.#pause(this.#table.taken === undefined ? backoff.next() : Infinity)
    }
  }

  /** Makes rows durable and removes those that are from the array. */
  async #store (rows: Row[]): Promise<void> {
    if (this.#replaying === undefined) {
      try {
        await this.#insertAll(rows)
        return
      } catch (error) {
        if (this.#spool === undefined || this.#table.taken !== undefined) throw error
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
      await this.#table.insert(part.map(({ entry }) => entry), timeoutMs)
      rows.splice(0, part.length)
    }
  }

  #startReplay (spool: Spool): void {
    if (!this.#closing.signal.aborted) this.#replaying = this.#replay(spool)
  }

  /** Inserts the entries of the spool into the table, until it is empty. Never rejects. */
  async #replay (spool: Spool): Promise<void> {
    let position = 0
    let { generation } = spool
    this.#lostTo = undefined
    const backoff = new Backoff()
    while (!this.#closing.signal.aborted) {
      try {
        const { lines, next } = await spool.read(generation, position, BATCH_ROWS)
        if (spool.generation !== generation) {
          this.#noteLostSpool()
          generation = spool.generation
          position = 0
        } else if (lines.length > 0) {
          await this.#table.insert(lines.map(entryOf))
          position = next
        } else if (await spool.clear(generation, position)) {
          position = 0
          if (spool.isEmpty) break
        }
        backoff.reset()
      } catch (error) {
        if (this.#table.taken !== undefined) {
          this.#context.failing(this.#table.taken, reasonOf(error))
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

  /** Records that another process has removed the spool, with entries that were not in the table. */
  #noteLostSpool (): void {
    const range = { from: this.#table.stored.seq + 1, to: this.#lostTo ?? this.#spooledSeq }
    this.#lostTo = undefined
    if (range.from <= range.to) this.#table.noteLost(range)
  }

  /** Logs a failed replay: at debug level when the database is away, which is logged already. */
  #logFailure (error: unknown): void {
    const details = { err: describe(error), reason: reasonOf(error) }
    if (isAway(error)) this.#context.log.debug(details, 'the database still fails')
    else this.#context.log.error(details, 'the spool of the audit trail cannot be emptied')
  }

  /** Waits until the time is over or the writer is closed. */
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
