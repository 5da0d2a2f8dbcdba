import { emptyChain, type ChainHead } from '../chain/chain.js'
import type { AnnouncerOptions } from '../chain/checkpoint-announcer.js'
import type { SinkContext } from '../sink.js'
import { describe, isAway, type PostgresSource } from '../../postgres/connection.js'
import { TableSession } from './table.js'
import type { Spool } from './spool.js'

/** The options of a sink that its writer uses, with defaults. */
export interface WriterSettings extends PostgresSource, AnnouncerOptions {
  readonly table: string
  readonly stream: string
  readonly spoolPath: string | undefined
}

/** The state in which a writer starts. */
export interface Start {
  readonly stream: string
  readonly head: ChainHead
  /** The last entry of the stream that the table is known to have. */
  readonly stored: ChainHead
  readonly session: TableSession | undefined
}

/** Finds the last entry, in the table or the spool. Rejects when neither can be read. */
export async function begin (
  settings: WriterSettings,
  context: SinkContext,
  spool: Spool | undefined
): Promise<Start> {
  const end = spool?.end
  const stream = end?.stream ?? settings.stream
  let session: TableSession | undefined
  try {
    session = await TableSession.open(settings, settings.table, stream)
    const last = await session.last()
    // The entries of the spool may be in the table already, when the spool was not emptied in time.
    return { stream, session, head: end !== undefined && end.seq > last.seq ? end : last, stored: last }
  } catch (error) {
    await session?.close()
    if (!isAway(error)) throw error
    if (spool === undefined) {
      throw new Error(
        `postgresSink: the database cannot be reached: ${describe(error).message}`,
        { cause: error }
      )
    }
    context.log.warn({ err: describe(error) }, 'the database fails: audit entries go to the spool')
    if (end !== undefined) return { stream, session: undefined, head: end, stored: emptyChain }
    // Without the database, the last number of the stream is unknown: a new stream begins.
    return {
      stream: `${stream}@${new Date(context.clock.now()).toISOString()}`,
      session: undefined,
      head: emptyChain,
      stored: emptyChain
    }
  }
}
