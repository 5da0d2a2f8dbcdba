import { constants } from 'node:buffer'
import { isTurnOver, nextTurn } from '../util/slice.js'
import { SharingText } from './shared-json.js'

/** The text of a message, or of a big one the consecutive parts. */
export type MessageText = string | readonly string[] | SharingText

/** Length limit of a part in characters; the last part of a piece may be shorter. */
export const PART_CHARS = 65_536

/** Length limit of a message in parts, too: a client could not read a longer one as one text. */
const MAX_CHARS = constants.MAX_STRING_LENGTH

/** Number of values from which on a list may be big. */
const MANY = 4

/** Number of levels of a reply that are searched for such a list: records are not deeper. */
const MAX_DEPTH = 4

/** Returns the length of a message in characters. */
export function charsOf (text: MessageText): number {
  if (typeof text === 'string' || text instanceof SharingText) return text.length
  return text.reduce((sum, part) => sum + part.length, 0)
}

/** Returns a message as one text. */
export function wholeText (text: MessageText): string {
  return Array.isArray(text) ? text.join('') : String(text)
}

/** Cuts a text into parts, none of which ends within a character. */
export function cut (text: string): string[] {
  const parts: string[] = []
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + PART_CHARS, text.length)
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end--
    parts.push(text.slice(start, end))
    start = end
  }
  return parts
}

function isHighSurrogate (code: number): boolean {
  return code >= 0xd800 && code < 0xdc00
}

/** Returns whether the encoding of a value may take long. */
export function mayBeBig (value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth === MAX_DEPTH) return false
  // A record of the store is encoded as a whole. Checked first, since most replies have records.
  if ((value as Record<string, unknown>)['_version'] !== undefined) return false
  if (Array.isArray(value)) return value.length >= MANY || value.some(item => mayBeBig(item, depth + 1))
  if (!isPlain(value)) return false
  for (const name in value) if (mayBeBig((value as Record<string, unknown>)[name], depth + 1)) return true
  return false
}

/** Returns whether a value has no `toJSON` and no class. Other objects are encoded as a whole. */
function isPlain (value: object): boolean {
  if ('toJSON' in value) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Encodes a value that may be big, between `before` and `after`, and yields to other work in between. The
 * text is that of `JSON.stringify`. Rejects with a TypeError for values that JSON cannot hold, and with a
 * RangeError for a text longer than a string can be.
 */
export async function encodeInSlices (
  before: string, value: unknown, after: string
): Promise<string | readonly string[]> {
  const encoding = new Encoding()
  encoding.add(before)
  await encoding.write(value, 0)
  encoding.add(after)
  return encoding.text
}

class Encoding {
  readonly #parts: string[] = []
  #last = ''
  #chars = 0

  get text (): string | readonly string[] {
    return this.#parts.length === 0 ? this.#last : [...this.#parts, this.#last]
  }

  add (text: string): void {
    this.#chars += text.length
    if (this.#chars > MAX_CHARS) throw new RangeError(`more than ${MAX_CHARS} characters of JSON`)
    this.#last += text
    if (this.#last.length < PART_CHARS) return
    for (const part of cut(this.#last)) this.#parts.push(part)
    this.#last = ''
  }

  async write (value: unknown, depth: number): Promise<void> {
    if (!mayBeBig(value, depth)) this.add(JSON.stringify(value) ?? 'null')
    else if (Array.isArray(value)) await this.#writeItems(value, depth)
    else await this.#writeMembers(value as Readonly<Record<string, unknown>>, depth)
    if (isTurnOver()) await nextTurn()
  }

  async #writeItems (items: readonly unknown[], depth: number): Promise<void> {
    this.add('[')
    for (let i = 0; i < items.length; i++) {
      if (i > 0) this.add(',')
      const item = items[i]
      if (mayBeBig(item, depth + 1)) await this.write(item, depth + 1)
      else this.add(JSON.stringify(item) ?? 'null')
      if (isTurnOver()) await nextTurn()
    }
    this.add(']')
  }

  async #writeMembers (members: Readonly<Record<string, unknown>>, depth: number): Promise<void> {
    let separator = '{'
    for (const name of Object.keys(members)) {
      const value = members[name]
      const isBig = mayBeBig(value, depth + 1)
      const text = isBig ? '' : JSON.stringify(value)
      if (text === undefined) continue
      this.add(`${separator}${JSON.stringify(name)}:${text}`)
      if (isBig) await this.write(value, depth + 1)
      separator = ','
    }
    this.add(separator === '{' ? '{}' : '}')
  }
}
