import type { KeyObject } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCheckpointLine, type Checkpoint } from '../../lib/audit/chain/checkpoint.js'
import { Journal } from '../../lib/audit/file/journal.js'
import { verifyTrail, type VerifyResult } from '../../lib/audit/file/verify.js'
import { keys } from './audit-trail-files.js'

/** Options of `Trail`. */
interface TrailOptions {
  readonly key?: KeyObject | undefined
  readonly keep?: number
  readonly name?: string
}

/** A journal with several segments in a directory. */
export class Trail {
  readonly directory: string
  readonly name: string
  readonly key: KeyObject | undefined
  readonly keep: number
  readonly made: Checkpoint[] = []
  readonly warnings: string[] = []
  readonly failures: string[] = []
  #next = 1
  #journal: Journal | undefined

  constructor (directory: string, { key, keep = Infinity, name = 'audit' }: TrailOptions = {}) {
    this.directory = directory
    this.name = name
    this.key = key
    this.keep = keep
  }

  get path (): string {
    return join(this.directory, `${this.name}.jsonl`)
  }

  get sidecar (): string {
    return join(this.directory, `${this.name}.checkpoints`)
  }

  get closed (): string[] {
    return readdirSync(this.directory).filter(name => /\.\d{16}\.jsonl$/.test(name)).sort().map(
      name => join(this.directory, name)
    )
  }

  /** Opens the journal, or a new one. */
  open (): void {
    const { path, key, keep, made, warnings } = this
    const options = {
      path,
      maxBytes: 1_300,
      maxAgeMs: 1_000_000_000,
      keep,
      fsync: true,
      key,
      checkpointEntries: 5
    }
    this.#journal = new Journal(options, {
      onCheckpoint (checkpoint) { made.push(checkpoint) },
      onWarning (message) { warnings.push(message) }
    })
  }

  /** Adds entries one by one; repeats a failed attempt up to three times, like the thread of a sink. */
  write (count: number): void {
    for (let left = count; left > 0; left--) {
      const resource = `${this.name}-${this.#next++}`
      const entries = [JSON.stringify({ timestamp: 1, userId: 'alice', operation: 'store.insert', resource })]
      for (let attempt = 0; entries.length > 0; attempt++) {
        try {
          this.#journal?.append(entries)
          if (this.#journal?.checkpointIsDue === true) this.#journal.checkpoint()
        } catch (error) {
          if (attempt === 3) throw error
          this.failures.push((error as Error).message)
        }
      }
    }
  }

  close (): void {
    this.#journal?.close()
  }

  async verify (after?: Checkpoint): Promise<VerifyResult> {
    return await verifyTrail(
      { files: [this.path], after, ...(this.key !== undefined && { publicKey: keys.publicKey }) }
    )
  }
}

/** Returns the numbers of the entries of a file. */
export function seqsOf (file: string): number[] {
  return readFileSync(file, 'utf8').split('\n').filter(line => line !== '').map(
    line => (JSON.parse(line) as { seq: number }).seq
  )
}

/** Returns the checkpoints of a file. */
export function checkpointsOf (file: string): Checkpoint[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n').map(line => parseCheckpointLine(line) as Checkpoint)
}
