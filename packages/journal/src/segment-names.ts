import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Digits of the number in the name of a closed segment. */
const DIGITS = 16

/**
 * The names of the files of a journal, from the path of its current segment: `<base><suffix>`. Beside it
 * stand the closed segments (`<base>.<number of the first line><suffix>`), `<base>.torn` and `<base>.lock`.
 */
export class SegmentNames {
  readonly current: string
  readonly directory: string
  /** Name of the journal: that of the current segment without the suffix. */
  readonly stream: string
  readonly torn: string
  readonly lock: string
  /** Name that messages give to the journal, `trail` for instance. */
  readonly title: string
  /** Path of the current segment without the suffix. */
  readonly base: string
  readonly #suffix: string

  /** `path` ends in `suffix`, which begins with a point. */
  constructor (path: string, suffix: string, title: string) {
    this.base = path.slice(0, -suffix.length)
    this.current = path
    this.directory = dirname(path)
    this.stream = basename(this.base)
    this.torn = `${this.base}.torn`
    this.lock = `${this.base}.lock`
    this.title = title
    this.#suffix = suffix
  }

  /** Returns where a segment goes when it is closed, from the number of its first line. */
  closed (first: number): string {
    return join(this.directory, `${this.stream}.${String(first).padStart(DIGITS, '0')}${this.#suffix}`)
  }

  /** Returns the closed segments, oldest first. Reads the directory. */
  listClosed (): string[] {
    return readdirSync(this.directory)
      .filter(name => name.startsWith(`${this.stream}.`) && this.numberIn(name) !== undefined)
      .sort()
      .map(name => join(this.directory, name))
  }

  /** Returns the number in the name of a closed segment of this journal, `undefined` for any other file. */
  numberIn (file: string): number | undefined {
    const name = basename(file)
    const number = numberInName(name, this.#suffix)
    return number !== undefined && name.length === this.stream.length + 1 + DIGITS + this.#suffix.length
      ? number
      : undefined
  }
}

/** Returns the number in the name of a closed segment of any journal with this suffix, else `undefined`. */
export function numberInName (file: string, suffix: string): number | undefined {
  if (!file.endsWith(suffix)) return undefined
  const [, digits] = /\.(\d{16})$/.exec(file.slice(0, -suffix.length)) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** Returns the path of the current segment beside a segment, current or closed. */
export function currentBeside (segment: string, suffix: string): string {
  return numberInName(segment, suffix) === undefined
    ? segment
    : `${segment.slice(0, -(suffix.length + 1 + DIGITS))}${suffix}`
}
