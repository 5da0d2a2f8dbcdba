import { resolve } from 'node:path'
import { JournalThread, threadFile } from '@hamicek/noex-journal'
import {
  checkGroup,
  isBoolean,
  isInteger,
  merge,
  NoexOptionsError,
  type Checks
} from '../../util/option-schema.js'
import type { RecordedEntry } from '../entry.js'
import type { JournalSettings, OpenedTrail, TrailNotice } from './journal.js'
import type { AuditSink, FoundCommits, SinkCommits, SinkContext, SinkPolicies, SinkWriter } from '../sink.js'
import { isCurrentSegment } from './segments.js'
import {
  checkpointTeller, isPathWith, sinkChecks, sinkDefaults, toPrivateKey,
  type CheckpointListener, type SinkOptions
} from '../sink-options.js'

/** What `jsonlSink` takes. Durations are milliseconds, sizes bytes. */
export interface JsonlSinkOptions extends SinkOptions {
  /** The file that is written; ends in `.jsonl`. Closed segments and sidecars stand beside it. */
  path: string
  /** A segment is closed before it becomes larger. @default 67_108_864 */
  maxBytes?: number | undefined
  /** A segment is closed when it is older. @default 86_400_000 */
  maxAgeMs?: number | undefined
  /** Closed segments that stay, at least 1; older ones are removed. @default unlimited */
  keep?: number | undefined
  /** Whether an entry counts as durable only when the disk has it. @default true */
  fsync?: boolean | undefined
}

/** What holds where an option is not given. */
export const jsonlDefaults = {
  ...sinkDefaults,
  maxBytes: 67_108_864,
  maxAgeMs: 86_400_000,
  keep: Infinity,
  fsync: true
}

const MAX = Number.MAX_SAFE_INTEGER

const checks: Checks = {
  ...sinkChecks,
  path: isSegmentPath,
  maxBytes: isInteger(1, 1_073_741_824),
  maxAgeMs: isInteger(1, MAX),
  keep: isInteger(1, MAX),
  fsync: isBoolean
}

function isSegmentPath (value: unknown, path: string): void {
  isPathWith('.jsonl')(value, path)
  if (!isCurrentSegment(value as string)) {
    throw new NoexOptionsError(path, 'must not have the name of a closed segment')
  }
}

/**
 * Returns a sink that writes the trail to files: one line for each entry, in segments, chained by hashes.
 * PROTOCOL.md, "Audit".
 * @throws {NoexOptionsError} when an option is unknown or invalid
 * @example
 * await app.register(noex, { audit: { sinks: [jsonlSink({ path: 'data/audit.jsonl', keep: 30 })] } })
 */
export function jsonlSink (options: JsonlSinkOptions): AuditSink {
  const given = options as unknown as Record<string, unknown>
  checkGroup(given, checks, 'jsonlSink.')
  if (given['path'] === undefined) throw new NoexOptionsError('jsonlSink.path', 'is required')
  const { policy, onCheckpoint, signingKey, path, ...rest } = merge(
    jsonlDefaults,
    given,
    checks
  ) as unknown as Required<JsonlSinkOptions> & { policy: SinkPolicies }
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
