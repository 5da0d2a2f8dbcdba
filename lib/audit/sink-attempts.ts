import { Backoff } from '@hamicek/noex-journal'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import type { RecordedEntry } from './entry.js'
import type { SinkWriter } from './sink.js'

/** How a batch is given to a sink. */
export interface Attempts {
  /** The open sink; `undefined` once it is closed. */
  readonly writer: () => SinkWriter | undefined
  /** An attempt was rejected; another one follows. */
  readonly onFailure: (error: unknown) => void
  readonly clock: Clock
}

/**
 * Gives a batch to a sink, again and again until it is durable. A sink that throws, or returns no promise, is
 * as good as one that rejects or resolves. Rejects when the sink was closed before.
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

/** Closes a sink. Never rejects: all that matters is whether entries are left. */
export async function closeQuietly (writer: SinkWriter, name: string, log: Log): Promise<void> {
  try {
    await writer.close()
  } catch (error) {
    log.error({ err: error, sink: name }, 'audit sink cannot be closed')
  }
}
