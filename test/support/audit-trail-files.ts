import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { emptyChain, GENESIS, seal, type ChainHead } from '../../lib/audit/chain/chain.js'
import { checkpointLine, digestOf, signCheckpoint } from '../../lib/audit/chain/checkpoint.js'
import { recordEntry, type AuditEntry } from '../../lib/audit/entry.js'

/** An Ed25519 key pair. */
export const keys = generateKeyPairSync('ed25519')

/** Time of the entries' beginning, in epoch milliseconds. */
export const START = Date.UTC(2026, 0, 31, 12)

/** Returns the entry with the number `seq` of a trail: no two are equal. */
export function numberedEntry (seq: number, members: Partial<AuditEntry> = {}): AuditEntry {
  return {
    timestamp: START + seq,
    userId: seq % 3 === 0 ? null : `user-${seq % 7}`,
    sessionId: `session-${seq % 11}`,
    operation: seq % 2 === 0 ? 'store.insert' : 'store.get',
    resource: `bücket-${seq % 5}`,
    result: seq % 10 === 0 ? 'error' : 'success',
    ...(seq % 10 === 0 && { error: `no record ${seq}` }),
    remoteAddress: '192.0.2.1',
    ...members
  }
}

/** The parts of a trail to write. */
interface TrailPlan {
  /** Number of entries of each segment; the last is the current one. */
  readonly segments: readonly number[]
  /**
   * Number of entries after which a checkpoint follows, besides those at the end of segments. @default none
   */
  readonly checkpointEvery?: number
  readonly key?: KeyObject
  readonly entry?: (seq: number) => AuditEntry
}

/** The files of a trail. */
export interface WrittenTrail {
  /** The current segment. */
  readonly path: string
  readonly sidecar: string
  /** All segments, in order. */
  readonly files: readonly string[]
  /** The head before each segment, then that of the whole trail. */
  readonly heads: readonly ChainHead[]
}

/** Writes a trail with the name `audit`. */
export function writeTrail (directory: string, plan: TrailPlan): WrittenTrail {
  const { segments, checkpointEvery = Infinity, key, entry = numberedEntry } = plan
  const path = join(directory, 'audit.jsonl')
  const sidecar = join(directory, 'audit.checkpoints')
  const files: string[] = []
  const heads: ChainHead[] = [emptyChain]
  const checkpoints: string[] = []
  let head: ChainHead = emptyChain
  let previous = GENESIS
  for (const [i, count] of segments.entries()) {
    const file =
      i === segments.length - 1
        ? path
        : join(directory, `audit.${String(head.seq + 1).padStart(16, '0')}.jsonl`)
    const lines: string[] = []
    for (let left = count; left > 0; left--) {
      const sealed = seal(recordEntry(entry(head.seq + 1)).json, head)
      head = { seq: sealed.seq, hash: sealed.hash }
      lines.push(`${sealed.line}\n`)
      if (left === 1 || head.seq % checkpointEvery === 0) {
        const checkpoint = signCheckpoint(
          { stream: 'audit', ...head, timestamp: START + head.seq, previous },
          key
        )
        checkpoints.push(`${checkpointLine(checkpoint)}\n`)
        previous = digestOf(checkpoint)
      }
    }
    writeFileSync(file, lines.join(''), { mode: 0o600 })
    files.push(file)
    heads.push(head)
  }
  writeFileSync(sidecar, checkpoints.join(''), { mode: 0o600 })
  return { path, sidecar, files, heads }
}

/** Returns the lines of a file, each with its line feed. */
export function linesOf (file: string): string[] {
  return readFileSync(file, 'utf8').match(/[^\n]*\n/g) ?? []
}

/** Changes the lines of a file. */
export function editLines (file: string, edit: (lines: string[]) => void): void {
  const lines = linesOf(file)
  edit(lines)
  writeFileSync(file, lines.join(''))
}
