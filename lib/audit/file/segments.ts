import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { currentBeside, LineSplitter, numberInName, SegmentNames, textOf } from '@hamicek/noex-journal'
import { MAX_LINE_BYTES, parseLine } from '../chain/chain.js'

const SUFFIX = '.jsonl'

/** The names of the files of a trail, from the path of its current segment. */
export class TrailFiles extends SegmentNames {
  readonly checkpoints: string

  /** @param path ends in `.jsonl` */
  constructor (path: string) {
    super(path, SUFFIX, 'trail')
    this.checkpoints = `${this.base}.checkpoints`
  }

  /** Returns the trail that a segment belongs to, current or closed. */
  static of (segment: string): TrailFiles {
    return new TrailFiles(currentBeside(segment, SUFFIX))
  }
}

/** Returns whether a file has the name of a current segment, the one that is written to. */
export function isCurrentSegment (file: string): boolean {
  return file.endsWith(SUFFIX) && seqInName(file) === undefined
}

/** Returns the number of the first entry in the name of a closed segment; `undefined` for other names. */
export function seqInName (file: string): number | undefined {
  return numberInName(file, SUFFIX)
}

/** One file of a trail. */
export interface Segment {
  readonly file: string
  /** The number of its first entry; `undefined` when there is none, or none that can be read. */
  readonly firstSeq: number | undefined
}

/**
 * Returns the files of a trail, in the order of the numbers of their first entries. One file with the name of
 * a current segment (`audit.jsonl`) stands for its whole trail: the closed segments beside it are included,
 * and it may itself be missing when there are some. Otherwise the trail is the given files, each once.
 * Rejects when there is no file, or one cannot be read.
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

/** Returns whether a file or directory exists. */
export async function exists (file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/**
 * Returns the sort key of a segment: a file without a first line is ordered by its name, the current one
 * last.
 */
function orderOf ({ file, firstSeq }: Segment): number {
  return firstSeq ?? seqInName(file) ?? Number.MAX_SAFE_INTEGER
}

async function readFirstSeq (file: string): Promise<number | undefined> {
  // Opening a pipe would wait for a writer.
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
