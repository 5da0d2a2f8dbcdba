import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const SUFFIX = '.jsonl'

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

  /** Where a segment goes when it is closed; `firstSeq` is the number of its first entry. */
  closed (firstSeq: number): string {
    return join(this.directory, `${this.stream}.${String(firstSeq).padStart(16, '0')}${SUFFIX}`)
  }

  /** The closed segments, oldest first. */
  listClosed (): string[] {
    const prefix = `${this.stream}.`
    return readdirSync(this.directory)
      .filter(name => name.startsWith(prefix) && /^\d{16}\.jsonl$/.test(name.slice(prefix.length)))
      .sort()
      .map(name => join(this.directory, name))
  }
}
