import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const SUFFIX = '.jsonl'
const closedSegment = /\.(\d{16})\.jsonl$/

/** The names of the files of a trail, from the path of its current segment. */
export class TrailFiles {
  readonly current: string
  readonly directory: string
  /** The name of the trail: the current segment's without the ending. */
  readonly stream: string
  readonly checkpoints: string
  readonly torn: string
  readonly lock: string

  /** @param path ends in `.jsonl` */
  constructor (path: string) {
    const base = path.slice(0, -SUFFIX.length)
    this.current = path
    this.directory = dirname(path)
    this.stream = basename(base)
    this.checkpoints = `${base}.checkpoints`
    this.torn = `${base}.torn`
    this.lock = `${base}.lock`
  }

  /** The trail that a segment belongs to, current or closed. */
  static of (segment: string): TrailFiles {
    return new TrailFiles(segment.replace(closedSegment, SUFFIX))
  }

  /** Where a segment goes when it is closed; `firstSeq` is the number of its first entry. */
  closed (firstSeq: number): string {
    return join(this.directory, `${this.stream}.${String(firstSeq).padStart(16, '0')}${SUFFIX}`)
  }

  /** The closed segments, oldest first. */
  listClosed (): string[] {
    const prefix = `${this.stream}.`
    return readdirSync(this.directory)
      .filter(name => name.startsWith(prefix) && name.length === prefix.length + 16 + SUFFIX.length && closedSegment.test(name))
      .sort()
      .map(name => join(this.directory, name))
  }
}

/** Whether a file is, by its name, the one that a trail is written to. */
export function isCurrentSegment (file: string): boolean {
  return file.endsWith(SUFFIX) && !closedSegment.test(file)
}

/** The number of the first entry, from the name of a closed segment. */
export function seqInName (file: string): number | undefined {
  const [, digits] = closedSegment.exec(file) ?? []
  return digits === undefined ? undefined : Number(digits)
}
