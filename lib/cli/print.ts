import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { SealedEntry } from '../audit/chain/chain.js'
import type { TrailItem } from '../audit/file/trail-reader.js'

/**
 * Ends of lines, control, bidi and other invisible characters, and the backslash that marks them. A space
 * stays.
 */
const unsafe = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\\]/gu

/**
 * Text that a stranger may have chosen, fit for a terminal: what would act on it, or would not be seen, is
 * written as `\u{…}`.
 */
export function escapeText (text: string): string {
  return text.replace(unsafe, char =>
    char === '\\' ? '\\\\' : `\\u{${(char.codePointAt(0) as number).toString(16)}}`
  )
}

/**
 * An entry in one line for people: time, user, operation, resource, result, address and, if any, the commit
 * and the error.
 */
export function formatEntry (
  { timestamp, userId, operation, resource, result, error, remoteAddress, revision }: SealedEntry,
  colour: boolean
): string {
  const columns = [
    formatTime(timestamp).padEnd(24),
    escapeText(userId ?? '-').padEnd(16),
    escapeText(operation).padEnd(24),
    escapeText(resource).padEnd(20),
    paint(result.padEnd(7), result === 'success' ? 32 : 31, colour),
    escapeText(remoteAddress === '' ? '-' : remoteAddress).padEnd(15)
  ]
  if (revision !== undefined) columns.push(`commit ${revision}`)
  if (error !== undefined) columns.push(escapeText(error))
  return columns.join('  ').trimEnd()
}

/** Sets the colour of a text: 31 is red, 32 green, 33 yellow. */
export function paint (text: string, code: number, colour: boolean): string {
  return colour ? `\u001b[${code}m${text}\u001b[39m` : text
}

/** Returns a time in epoch milliseconds as ISO 8601; one that is none as it is. */
export function formatTime (timestamp: number): string {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}

/** A stream of output. When its reader goes away, what is written is let go and `gone` tells. */
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

  /** Aborted when nothing more can be written. */
  get gone (): AbortSignal {
    return this.#gone.signal
  }

  /** Why nothing more can be written, unless the reader has just closed its end. */
  get error (): Error | undefined {
    return this.#error
  }

  /** Resolves when the next line may be written, or none any more. */
  async line (text: string): Promise<void> {
    if (this.#gone.signal.aborted || this.#stream.write(`${text}\n`)) return
    await once(this.#stream, 'drain', { signal: this.#gone.signal }).catch(() => {})
  }

  /** Resolves when everything has been written, or has failed. */
  async flush (): Promise<void> {
    if (!this.#gone.signal.aborted) await new Promise(resolve => { this.#stream.write('', resolve) })
  }
}

/** How entries are shown. */
export interface EntryStyle {
  /** For people; otherwise the lines as they are stored. */
  readonly pretty: boolean
  readonly colour: boolean
}

/**
 * Shows the lines of a trail. What is no entry is shown as such: to people among the entries, otherwise on
 * `errors`.
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
