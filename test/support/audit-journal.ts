import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { GENESIS, hashOf, parseLine } from '../../lib/audit/chain/chain.js'
import type { Checkpoint } from '../../lib/audit/chain/checkpoint.js'
import { Journal, type JournalOptions } from '../../lib/audit/file/journal.js'

/** Returns the text of an entry. */
const entry = (n: number): string =>
  JSON.stringify({ timestamp: n, userId: 'ünïcode', resource: `r${n}` })

/** Returns the texts of the entries from one number to another. */
export const entries = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i))

/** A journal, and the reports of its listener. */
export interface Opened {
  readonly journal: Journal
  readonly made: Checkpoint[]
  readonly warnings: string[]
}

/** Opens a journal in a directory. */
export function open (directory: string, options: Partial<JournalOptions> = {}): Opened {
  const made: Checkpoint[] = []
  const warnings: string[] = []
  const journal = new Journal({
    path: join(directory, 'audit.jsonl'),
    maxBytes: 1_000_000,
    maxAgeMs: 1_000_000_000,
    keep: Infinity,
    fsync: true,
    key: undefined,
    checkpointEntries: 1_000,
    ...options
  }, { onCheckpoint (checkpoint) { made.push(checkpoint) }, onWarning (message) { warnings.push(message) } })
  return { journal, made, warnings }
}

/** Returns the segments in a directory, in the order of their entries. */
export function segments (directory: string): string[] {
  const names = readdirSync(directory).filter(name => name.endsWith('.jsonl'))
  return [
    ...names.filter(name => name !== 'audit.jsonl').sort(),
    ...names.filter(name => name === 'audit.jsonl')
  ].map(name => join(directory, name))
}

/** Returns the numbers of all entries. Fails unless every line is complete and the chain is unbroken. */
export function follow (t: Test, directory: string, hash = GENESIS): number[] {
  const seqs: number[] = []
  for (const path of segments(directory)) {
    const lines = readFileSync(path, 'utf8').split('\n')
    if (lines.pop() !== '') t.fail(`${path} ends within a line`)
    for (const text of lines) {
      const line = parseLine(text)
      if (line === undefined || line.hash !== hashOf(line.body, hash)) {
        t.fail(`${path}: ${text}`)
        return seqs
      }
      hash = line.hash
      seqs.push(line.seq)
    }
  }
  return seqs
}

/** Returns the numbers from one to another. */
export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)
