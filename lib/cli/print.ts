import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { SealedEntry } from '../audit/chain/chain.js'
import type { TrailItem } from '../audit/file/trail-reader.js'

/**
 * Line ends, control, bidi and other invisible characters except the space, and the backslash that marks
 * them.
 */
const unsafe = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\\]/gu

/** Returns untrusted text that is safe for a terminal: control and invisible characters become `\u{…}`. */
export function escapeText (text: string): string {
  return text.replace(unsafe, char =>
    char === '\\' ? '\\\\' : `\\u{${(char.codePointAt(0) as number).toString(16)}}`
  )
}

/**
 * Returns an entry as one line for people: time, user (name and id, where it has both), operation, resource,
 * result, address and, if present, the commit and the error.
 */
export function formatEntry (
  { timestamp, userId, userName, operation, resource, result, error, remoteAddress, revision }: SealedEntry,
  colour: boolean
): string {
  const columns = [
    formatTime(timestamp).padEnd(24),
    escapeText(userName === undefined ? userId ?? '-' : `${userName} (${userId})`).padEnd(16),
    escapeText(operation).padEnd(24),
    escapeText(resource).padEnd(20),
    paint(result.padEnd(7), result === 'success' ? 32 : 31, colour),
    escapeText(remoteAddress === '' ? '-' : remoteAddress).padEnd(15)
  ]
  if (revision !== undefined) columns.push(`commit ${revision}`)
  if (error !== undefined) columns.push(escapeText(error))
  return columns.join('  ').trimEnd()
}

/** Returns a text in a colour: 31 is red, 32 green, 33 yellow. */
export function paint (text: string, code: number, colour: boolean): string {
  return colour ? `\u001b[${code}m${text}\u001b[39m` : text
}

/** Returns a time in epoch milliseconds as ISO 8601; an invalid one as it is. */
export function formatTime (timestamp: number): string {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}

/**
 * Writes lines to a stream. When the reader has closed it, further lines are dropped and `gone` is aborted.
 */
export class Output {
  readonly #stream: Writable
  readonly #gone = new AbortController()
  #error: Error | undefined

  constructor (stream: Writable) {
    this.#stream = stream
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') this.#error ??= error
      this.#gone.abort()
    })
  }

  /** Aborted when the stream accepts no more output. */
  get gone (): AbortSignal {
    return this.#gone.signal
  }

  /** The error of the stream; `undefined` when the reader has only closed it. */
  get error (): Error | undefined {
    return this.#error
  }

  /** Writes a line. Resolves when the next one may be written, or the stream is closed. */
  async line (text: string): Promise<void> {
    if (this.#gone.signal.aborted || this.#stream.write(`${text}\n`)) return
    await once(this.#stream, 'drain', { signal: this.#gone.signal }).catch(() => {})
  }

  /** Writes a line without waiting: for lines that are not many. */
  push (text: string): void {
    if (!this.#gone.signal.aborted) this.#stream.write(`${text}\n`)
  }

  /** Resolves when everything is written or has failed. */
  async flush (): Promise<void> {
    if (!this.#gone.signal.aborted) await new Promise(resolve => { this.#stream.write('', resolve) })
  }
}

/** The format of entries. */
export interface EntryStyle {
  /** Whether the format is for people; otherwise lines are printed as they are stored. */
  readonly pretty: boolean
  readonly colour: boolean
}

/**
 * Prints the lines of a trail. Bad lines are reported among the entries for people, otherwise on `errors`.
 */
export class EntryPrinter {
  readonly #output: Output
  readonly #errors: Output
  readonly #style: EntryStyle

  constructor (output: Output, errors: Output, style: EntryStyle) {
    this.#output = output
    this.#errors = errors
    this.#style = style
  }

  async print ({ file, line, text, entry }: TrailItem): Promise<void> {
    const { pretty, colour } = this.#style
    if (entry !== undefined) {
      await this.#output.line(pretty ? formatEntry(entry, colour) : text as string)
    } else {
      await (pretty ? this.#output : this.#errors).line(
        paint(`(no entry: ${escapeText(file)}, line ${line})`, 33, pretty && colour)
      )
    }
  }
}
