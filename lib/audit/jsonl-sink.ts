import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { checkGroup, isBoolean, isInteger, merge, NoexOptionsError, type Checks } from '../option-checks.js'
import type { Checkpoint } from './checkpoint.js'
import type { RecordedEntry } from './entry.js'
import type { JournalCommand, JournalReport, JournalSettings } from './journal-messages.js'
import type { AuditSink, SinkContext, SinkPolicies, SinkWriter } from './sink.js'
import { isCurrentSegment } from './segments.js'
import {
  checkpointTeller, isPathWith, sinkChecks, sinkDefaults, toPrivateKey,
  type CheckpointListener, type SinkOptions
} from './sink-options.js'

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
  if (!isCurrentSegment(value as string)) throw new NoexOptionsError(path, 'must not have the name of a closed segment')
}

/**
 * A sink that writes the trail to files: one line for each entry, in segments, chained by hashes. PROTOCOL.md, "Audit".
 * @throws {NoexOptionsError} at an option that is unknown or wrong
 */
export function jsonlSink (options: JsonlSinkOptions): AuditSink {
  const given = options as unknown as Record<string, unknown>
  checkGroup(given, checks, 'jsonlSink.')
  if (given['path'] === undefined) throw new NoexOptionsError('jsonlSink.path', 'is required')
  const { policy, onCheckpoint, signingKey, path, ...rest } = merge(jsonlDefaults, given, checks) as unknown as Required<JsonlSinkOptions> & { policy: SinkPolicies }
  const settings = { ...rest, path: resolve(path), signingKey: signingKey && toPrivateKey(signingKey).export({ type: 'pkcs8', format: 'pem' }) } as JournalSettings
  return {
    name: 'jsonl',
    policy,
    open: async context => await JsonlWriter.open(settings, context, onCheckpoint)
  }
}

/** The main thread's side of a journal. */
class JsonlWriter implements SinkWriter {
  readonly #worker: Worker
  readonly #context: SinkContext
  readonly #tellCheckpoint: (checkpoint: Checkpoint) => void
  #written: { readonly resolve: () => void, readonly reject: (error: Error) => void } | undefined
  #opened: { readonly resolve: () => void, readonly reject: (error: Error) => void } | undefined
  #refused = false
  #closed = false
  #ended = false
  #onEnd: (() => void) | undefined

  private constructor (settings: JournalSettings, context: SinkContext, onCheckpoint: CheckpointListener | undefined) {
    this.#context = context
    this.#tellCheckpoint = checkpointTeller(onCheckpoint, context)
    this.#worker = new Worker(new URL('./journal-worker.js', import.meta.url), { name: 'noex-audit', workerData: settings })
    this.#worker.on('message', (report: JournalReport) => { this.#hear(report) })
    let cause: Error | undefined
    this.#worker.on('error', error => { cause = error })
    this.#worker.on('exit', () => { this.#end(cause) })
  }

  static async open (settings: JournalSettings, context: SinkContext, onCheckpoint: CheckpointListener | undefined): Promise<JsonlWriter> {
    const writer = new JsonlWriter(settings, context, onCheckpoint)
    await new Promise<void>((resolve, reject) => { writer.#opened = { resolve, reject } })
    writer.#worker.unref()
    return writer
  }

  async write (batch: readonly RecordedEntry[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#written = { resolve, reject }
      // A thread that has died cannot tell how far it had come, so nothing is written twice: only a restart helps.
      if (this.#ended) return
      this.#worker.ref()
      this.#tell({ type: 'write', entries: batch.map(({ json }) => json).join('\n') })
    })
  }

  async close (): Promise<void> {
    if (!this.#ended) {
      this.#worker.ref()
      this.#tell({ type: 'close' })
      await new Promise<void>(resolve => { this.#onEnd = resolve })
    }
    this.#written?.reject(new Error('the trail was closed before they were written'))
  }

  #tell (command: JournalCommand): void {
    this.#worker.postMessage(command)
  }

  #hear (report: JournalReport): void {
    switch (report.type) {
      case 'open':
        if (report.torn !== undefined) this.#context.note('audit.recovered', report.torn)
        if (report.unsealed > 0) {
          this.#context.note('audit.unsealed', { entries: report.unsealed, from: 1, to: report.unsealed })
        }
        if (report.formerName !== undefined) this.#context.note('audit.renamed', { name: report.formerName })
        this.#opened?.resolve()
        this.#opened = undefined
        break
      case 'refused':
        this.#opened?.reject(new Error(report.message))
        this.#refused = true
        break
      case 'durable':
        this.#worker.unref()
        this.#written?.resolve()
        this.#written = undefined
        break
      case 'failing':
        this.#context.failing(new Error(report.message), report.reason)
        break
      case 'checkpoint':
        this.#tellCheckpoint(report.checkpoint)
        break
      case 'trouble':
        this.#context.log.error({ reason: report.message }, 'an audit checkpoint cannot be written')
        break
      case 'warning':
        this.#context.log.error(
          { reason: report.message },
          'files of the audit trail have been changed from outside'
        )
        break
      case 'closed':
        this.#closed = true
    }
  }

  #end (cause: Error | undefined): void {
    this.#ended = true
    const died = new Error('the thread that writes the audit trail has died', { cause })
    this.#opened?.reject(died)
    if (!this.#refused && !this.#closed) this.#context.failing(died, 'the writer has died')
    this.#onEnd?.()
  }
}
