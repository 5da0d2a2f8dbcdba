import { resolve } from 'node:path'
import { JournalThread, threadFile } from '@hamicek/noex-journal'
import { NoexOptionsError, option, options, required, type ValueType } from '../../util/option-schema.js'
import { boolean, integer, MAX_INTEGER } from '../../util/option-types.js'
import type { RecordedEntry } from '../entry.js'
import type { JournalSettings, OpenedTrail, TrailNotice } from './journal.js'
import type { AuditSink, FoundCommits, SinkCommits, SinkContext, SinkWriter } from '../sink.js'
import { isCurrentSegment } from './segments.js'
import {
  checkpointTeller, pathWith, sinkOptions, toPrivateKey,
  type CheckpointListener, type SinkOptions
} from '../chain/sink-options.js'

/** The options of `jsonlSink`. */
export interface JsonlSinkOptions extends SinkOptions {
  /** File of the current segment, in a directory that exists; closed segments and sidecars are beside it. */
  path: string
  /**
   * Bytes of a segment: it is closed before it becomes larger.
   * @default 67_108_864
   */
  maxBytes?: number | undefined
  /**
   * Age of a segment at which it is closed, in milliseconds.
   * @default 86_400_000
   */
  maxAgeMs?: number | undefined
  /**
   * Closed segments that stay; older ones are removed, after an entry of the trail has named them.
   * @default unlimited
   */
  keep?: number | undefined
  /**
   * Whether an entry counts as durable only when the disk has it.
   * @default true
   */
  fsync?: boolean | undefined
}

const jsonlPath = pathWith('.jsonl')

const segmentPath: ValueType = {
  text: jsonlPath.text,
  check (value, path) {
    jsonlPath.check(value, path)
    if (!isCurrentSegment(value as string)) {
      throw new NoexOptionsError(path, 'must not have the name of a closed segment')
    }
  }
}

export const jsonlOptions = options<JsonlSinkOptions>()({
  path: required(segmentPath),
  maxBytes: option(integer(1, 1_073_741_824), 67_108_864),
  maxAgeMs: option(integer(1, MAX_INTEGER), 86_400_000),
  keep: option(integer(1, MAX_INTEGER), Infinity),
  fsync: option(boolean, true),
  ...sinkOptions.members
})

/**
 * Returns a sink that writes the trail to files: one line for each entry, in segments, chained by hashes.
 * PROTOCOL.md, "Audit".
 * @throws {NoexOptionsError} when an option is unknown or invalid
 * @example
 * const sink = jsonlSink({ path: 'data/audit.jsonl', keep: 30 })
 * await app.register(noexPlugin, { store, audit: { sinks: [sink] } })
 */
export function jsonlSink (options: JsonlSinkOptions): AuditSink {
  const { policy, onCheckpoint, signingKey, path, ...rest } = jsonlOptions.resolve(options, 'jsonlSink')
  const settings = {
    ...rest,
    path: resolve(path),
    signingKey: signingKey && toPrivateKey(signingKey).export({ type: 'pkcs8', format: 'pem' })
  } as JournalSettings
  return {
    name: 'jsonl',
    policy,
    open: async context => await JsonlWriter.open(settings, context, onCheckpoint)
  }
}

/** Writes batches through the thread of a trail's journal. */
class JsonlWriter implements SinkWriter {
  readonly commits: SinkCommits
  readonly #thread: JournalThread<OpenedTrail, TrailNotice>
  /** Rejects when the writer is closed. */
  readonly #closed: Promise<never>
  #onClosed: (error: Error) => void = () => {}

  private constructor (thread: JournalThread<OpenedTrail, TrailNotice>, trail: string) {
    this.#thread = thread
    this.commits = { trail, find: async wanted => await thread.call(wanted) as FoundCommits }
    this.#closed = new Promise((_resolve, reject) => { this.#onClosed = reject })
    this.#closed.catch(() => {})
  }

  static async open (
    settings: JournalSettings, context: SinkContext, onCheckpoint: CheckpointListener | undefined
  ): Promise<JsonlWriter> {
    const tellCheckpoint = checkpointTeller(onCheckpoint, context)
    const { log } = context
    const { thread, opened } = await JournalThread.open<OpenedTrail, TrailNotice>({
      file: threadFile('journal-worker.js', import.meta.url),
      name: 'noex-audit',
      settings,
      title: 'the thread that writes the audit trail',
      onNotice (notice) {
        if (notice.type === 'checkpoint') tellCheckpoint(notice.checkpoint)
        else log.error({ reason: notice.message }, 'files of the audit trail have been changed from outside')
      },
      onFailing (error, code) { context.failing(error, code ?? 'the trail cannot be written') },
      onWarning (message) { log.error({ reason: message }, 'an audit checkpoint cannot be written') },
      onDeath (error) { context.failing(error, 'the writer has died') }
    })
    const { recovered, unsigned, formerName } = opened
    if (recovered !== undefined) context.note('audit.recovered', recovered)
    if (unsigned > 0) context.note('audit.unsealed', { entries: unsigned, from: 1, to: unsigned })
    if (formerName !== undefined) context.note('audit.renamed', { name: formerName })
    return new JsonlWriter(thread, settings.path)
  }

  async write (batch: readonly RecordedEntry[]): Promise<void> {
    try {
      await this.#thread.write(batch.map(({ json }) => json))
    } catch (error) {
      // A dead thread does not tell how far it got. Nothing is written twice, so only a restart helps.
      if (this.#thread.death !== undefined) await this.#closed
      throw error
    }
  }

  async close (): Promise<void> {
    await this.#thread.close()
    this.#onClosed(new Error('the trail was closed before they were written'))
  }
}
