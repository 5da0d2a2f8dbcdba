import * as zlib from 'node:zlib'
import type { JournalFormat } from './format.js'

/** Place of a line with a CRC. */
export interface CrcHead {
  readonly revision: number
  /** Revision that was on the disk before the line was written; 0 where there is none. */
  readonly durable: number
}

const lineBeginning = /^([0-9a-f]{8}) ([1-9]\d{0,15}) (0|[1-9]\d{0,15}) /

/**
 * Lines `crc32 revision durable text`: CRC-32 (eight hexadecimal digits in lower case) over everything
 * behind the blank that follows it, the number of the line, and the number that was on the disk before this
 * line was written. By the last one a line that was damaged later differs from one that a crash has left
 * half written.
 */
export function crcFormat (maxLineBytes: number): JournalFormat<CrcHead> {
  return {
    start: { revision: 0, durable: 0 },
    maxLineBytes,
    numberOf: head => head.revision,
    seal (entry, { revision }, { revision: durable }) {
      const head = { revision: revision + 1, durable }
      const body = `${head.revision} ${durable} ${entry}`
      return { line: `${digits(crc32(body))} ${body}`, head }
    },
    follow (line, before) {
      const head = parse(line)
      return head === undefined || (before !== undefined && head.revision !== before.revision + 1)
        ? undefined
        : head
    },
    judge (line, { revision }) {
      const head = parse(line)
      if (head === undefined) return 'broken'
      return head.durable > revision ? 'proof' : 'whole'
    }
  }
}

/** Returns the text of a line, without its beginning. */
export function textOfCrcLine (line: string): string {
  return line.slice((lineBeginning.exec(line)?.[0] ?? '').length)
}

function parse (line: string): CrcHead | undefined {
  const match = lineBeginning.exec(line)
  if (match === null) return undefined
  const [, crc, revision, durable] = match
  if (crc !== digits(crc32(line.slice(9)))) return undefined
  return { revision: Number(revision), durable: Number(durable) }
}

function digits (value: number): string {
  return value.toString(16).padStart(8, '0')
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** Returns CRC-32 as zlib has it, for a Node without `zlib.crc32`. */
export function crc32InJs (text: string): number {
  let crc = 0xffffffff
  for (const byte of Buffer.from(text)) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number)
  return (crc ^ 0xffffffff) >>> 0
}

/** Returns CRC-32 of a text. Node 20.15 and 22.2 have it, 21 has not. */
export const crc32 = (zlib as { crc32?: (text: string) => number }).crc32 ?? crc32InJs
