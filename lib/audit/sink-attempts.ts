import { Backoff } from '@hamicek/noex-journal'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import type { RecordedEntry } from './entry.js'
import type { SinkWriter } from './sink.js'

/** The sink that a batch is written to, and the reactions to failures. */
export interface Attempts {
  /** Returns the open sink; `undefined` once it is closed. */
  readonly writer: () => SinkWriter | undefined
  /** Called when an attempt is rejected; another one follows. */
  readonly onFailure: (error: unknown) => void
  readonly clock: Clock
}

/**
 * Writes a batch to a sink, with growing pauses, until it is durable. A sink may throw instead of rejecting,
 * and return no promise. Rejects when the sink is closed before.
 */
export async function writeUntilDurable (
  batch: readonly RecordedEntry[],
  { writer, onFailure, clock }: Attempts
): Promise<void> {
  const backoff = new Backoff()
  for (;;) {
    try {
      await writer()?.write([...batch])
      return
    } catch (error) {
      if (writer() === undefined) throw error
      onFailure(error)
    }
    await new Promise<void>(resolve => { clock.after(backoff.next(), resolve) })
    if (writer() === undefined) throw new Error('the sink was closed before they were written')
  }
}

/** Closes a sink. Never rejects: a failure is logged. */
export async function closeQuietly (writer: SinkWriter, name: string, log: Log): Promise<void> {
  try {
    await writer.close()
  } catch (error) {
    log.error({ err: error, sink: name }, 'audit sink cannot be closed')
  }
}
