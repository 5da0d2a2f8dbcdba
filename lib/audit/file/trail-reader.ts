import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { LineSplitter, textOf, type RawLine } from '@hamicek/noex-journal'
import type { AuditEntry } from '../entry.js'
import { parseLine, type SealedEntry } from '../chain/chain.js'
import { isCurrentSegment, seqInName, TrailFiles } from './segments.js'
import { MAX_LINE_BYTES, readLines, type ByteRange } from './trail-lines.js'

/** One file of a trail. */
export interface Segment {
  readonly file: string
  /** The seq of its first line; `undefined` when there is none, or none that can be read. */
  readonly firstSeq: number | undefined
}

/** A line of a trail as it is read. */
export interface TrailItem {
  readonly file: string
  /** Counted from 1, or from where the reading of the file began. */
  readonly line: number
  /** The line as it is stored, without line feed; `undefined` when it is too long or no UTF-8. */
  readonly text: string | undefined
  /** `undefined` when the line is no entry. Its hash has not been looked at. */
  readonly entry: SealedEntry | undefined
}

/** What `readTrail` takes. */
export interface ReadOptions {
  /** Picks entries. Lines that are none come in any case. */
  readonly filter?: (entry: SealedEntry) => boolean
}

/**
 * Reads trails line by line, in the order of seq. `files` is what `findSegments` takes.
 * It rejects when a file cannot be read; bad lines are items without entry.
 */
export async function * readTrail (
  files: readonly string[],
  { filter = () => true }: ReadOptions = {}
): AsyncGenerator<TrailItem, void, undefined> {
  for (const { file } of await findSegments(files)) {
    for await (const item of readItems(file)) {
      if (item.entry === undefined || filter(item.entry)) yield item
    }
  }
}

/** Reads the lines of one file, or of a part of it that begins with a line. */
export async function * readItems (
  file: string,
  range: ByteRange = {}
): AsyncGenerator<TrailItem, void, undefined> {
  let line = 0
  for await (const lines of readLines(file, range)) {
    for (const raw of lines) yield toItem(file, ++line, raw)
  }
}

export function toItem (file: string, line: number, raw: RawLine): TrailItem {
  const text = textOf(raw)
  return { file, line, text, entry: text === undefined ? undefined : parseEntry(text) }
}

/**
 * Reads the entry of a line; `undefined` when the line is none of a trail or its members are not those of an
 * entry.
 */
export function parseEntry (text: string): SealedEntry | undefined {
  if (parseLine(text) === undefined) return undefined
  try {
    const value = JSON.parse(text) as SealedEntry
    return isEntry(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether the members of an object are those of an entry. */
export function isEntry (entry: AuditEntry): boolean {
  const { timestamp, userId, sessionId, operation, resource, result, error, remoteAddress } = entry
  const { revision, epoch } = entry
  return (
    Number.isSafeInteger(timestamp) &&
    isTextOrNull(userId) &&
    isTextOrNull(sessionId) &&
    typeof operation === 'string' &&
    typeof resource === 'string' &&
    (result === 'success' || result === 'error') &&
    (error === undefined || typeof error === 'string') &&
    typeof remoteAddress === 'string' &&
    (revision === undefined || Number.isSafeInteger(revision)) &&
    (epoch === undefined || typeof epoch === 'string')
  )
}

function isTextOrNull (value: unknown): boolean {
  return value === null || typeof value === 'string'
}

/**
 * The files of a trail, in the order of the seq of their first lines. One file that is named like a current
 * segment (`audit.jsonl`) stands for its whole trail: the closed segments beside it come too, and it may
 * itself be missing when there are some. Otherwise the trail is what is given, each file once. It rejects
 * when there is none, or one cannot be read.
 */
export async function findSegments (files: readonly string[]): Promise<Segment[]> {
  const given = [...new Map(files.map(file => [resolve(file), file])).values()]
  const [only] = given
  const paths =
    given.length === 1 && isCurrentSegment(only as string) ? await wholeTrail(only as string) : given
  const segments: Segment[] = []
  for (const file of paths) segments.push({ file, firstSeq: await readFirstSeq(file) })
  return segments.sort((a, b) => orderOf(a) - orderOf(b))
}

async function wholeTrail (current: string): Promise<string[]> {
  const closed = new TrailFiles(current).listClosed()
  return closed.length > 0 && !await exists(current) ? closed : [...closed, current]
}

/** Whether there is something of that name. */
export async function exists (file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** A file without first line goes by its name; the current one is the last. */
function orderOf ({ file, firstSeq }: Segment): number {
  return firstSeq ?? seqInName(file) ?? Number.MAX_SAFE_INTEGER
}

async function readFirstSeq (file: string): Promise<number | undefined> {
  // Whoever opens a pipe waits until somebody writes to it.
  if (!(await stat(file)).isFile()) throw new Error(`${file} is not a file`)
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(
      Buffer.allocUnsafe(MAX_LINE_BYTES + 1),
      0,
      MAX_LINE_BYTES + 1,
      0
    )
    const splitter = new LineSplitter(MAX_LINE_BYTES)
    const [first] = [...splitter.push(buffer.subarray(0, bytesRead)), ...splitter.end()]
    const text = first && textOf(first)
    return text === undefined ? undefined : parseLine(text)?.seq
  } finally {
    await handle.close()
  }
}
