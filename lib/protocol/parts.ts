import { constants } from 'node:buffer'
import { isTurnOver, nextTurn } from '../util/slice.js'

/** A message as it is sent: its text, or that of a big one in parts which follow each other. */
export type MessageText = string | readonly string[]

/** Characters of a part, about. */
export const PART_CHARS = 65_536

/** A message that no text can hold is no message in parts either: its client could not read it. */
const MAX_CHARS = constants.MAX_STRING_LENGTH

/** A list of so many values may be big. */
const MANY = 4

/** Levels of a reply that are looked through for such a list: records lie no deeper. */
const MAX_DEPTH = 4

/** Counts the characters of a message. */
export function charsOf (text: MessageText): number {
  if (typeof text === 'string') return text.length
  return text.reduce((sum, part) => sum + part.length, 0)
}

/** Cuts a text into parts, none of them within a character. */
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

/** Whether the JSON of a value may take long to make. */
export function mayBeBig (value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth === MAX_DEPTH) return false
  // A record of the store is made into JSON as a whole. Asked first: it is what most replies have.
  if ((value as Record<string, unknown>)['_version'] !== undefined) return false
  if (Array.isArray(value)) return value.length >= MANY || value.some(item => mayBeBig(item, depth + 1))
  if (!isPlain(value)) return false
  for (const name in value) if (mayBeBig((value as Record<string, unknown>)[name], depth + 1)) return true
  return false
}

/** What makes its JSON by itself is made into JSON as a whole. */
function isPlain (value: object): boolean {
  if ('toJSON' in value) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Makes the JSON of a value that may be big, between `before` and `after`, in slices: others have their turn
 * meanwhile. The text is that of `JSON.stringify`. Rejects with a TypeError for what JSON cannot hold, and
 * with a RangeError for what would be longer than a text can be.
 */
export async function encodeInSlices (before: string, value: unknown, after: string): Promise<MessageText> {
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

  get text (): MessageText {
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
