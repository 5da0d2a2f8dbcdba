import { join } from 'node:path'
import {
  crcFormat, Journal, recoverJournal, SegmentNames, textOfCrcLine, type CrcHead, type JournalFormat,
  type RecoveredJournal
} from '../../src/index.js'

/** Format of the tests' lines: as a store has them, up to 16 MiB. */
export const format: JournalFormat<CrcHead> = crcFormat(16_777_216)

function namesIn (directory: string): SegmentNames {
  return new SegmentNames(join(directory, 'store.log'), '.log', 'log')
}

/** A log that was opened, and what recovery has read. */
export interface OpenedLog {
  readonly journal: Journal<CrcHead>
  readonly recovered: RecoveredJournal<CrcHead>
  /** Texts of all lines. */
  readonly texts: string[]
}

/** Recovers a log and opens it for writing. */
export function openLog (
  directory: string, { maxBytes = 67_108_864, from = 1, wholeGroups = false } = {}
): OpenedLog {
  const names = namesIn(directory)
  const texts: string[] = []
  const recovered = recoverJournal(names, format, from, line => { texts.push(textOfCrcLine(line)) })
  const options = { names, format, maxBytes, maxAgeMs: Infinity, fsync: true, wholeGroups }
  return { journal: new Journal(options, recovered), recovered, texts }
}

/** Returns the texts of a log, and lets go of its files. */
export function readLog (directory: string, from = 1): Omit<OpenedLog, 'journal'> {
  const { journal, ...read } = openLog(directory, { from })
  journal.release()
  return read
}

export const entry = (n: number): string => JSON.stringify({ n, text: 'ünïcode'.repeat(n % 5) })

export function entries (from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i))
}
