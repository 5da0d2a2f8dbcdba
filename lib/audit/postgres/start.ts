import { emptyChain, type ChainHead } from '../chain/chain.js'
import type { AnnouncerOptions } from '../chain/checkpoint-announcer.js'
import { describe, isAway, type PostgresSource } from './client.js'
import { TableSession } from './table.js'
import type { SinkContext } from '../sink.js'
import type { Spool } from './spool.js'

/** The options of a sink that its writer needs, all of them given. */
export interface WriterSettings extends PostgresSource, AnnouncerOptions {
  readonly table: string
  readonly stream: string
  readonly spoolPath: string | undefined
}

/** Where a writer begins. */
export interface Start {
  readonly stream: string
  readonly head: ChainHead
  /** Where the stream ends in the table, as far as that is known. */
  readonly stored: ChainHead
  readonly session: TableSession | undefined
}

/** Finds where to go on. */
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
    // What is in the spool may have been delivered, and then the file not have been emptied.
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
    // The numbers of the stream itself are not known without the database.
    return {
      stream: `${stream}@${new Date(context.clock.now()).toISOString()}`,
      session: undefined,
      head: emptyChain,
      stored: emptyChain
    }
  }
}
