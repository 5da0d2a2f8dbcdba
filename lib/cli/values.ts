import { escapeText } from './print.js'

/** Characters that JSON allows in a text, and a terminal should not get. */
const unsafe = /(?![ \n])[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu

/**
 * Returns a value as JSON that is safe for a terminal: control and invisible characters are written as
 * `\uXXXX`, which means the same.
 */
export function jsonText (value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent) ?? 'null'
  return text.replace(unsafe, char => char.split('').map(escapedUnit).join(''))
}

function escapedUnit (unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Most columns that a terminal needs for a text: characters that are two wide, and those that are none. */
const wide = new RegExp([
  '[\\p{Script=Han}\\p{Script=Hangul}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Emoji_Presentation}',
  '\\u3000-\\u303f\\uff01-\\uff60\\uffe0-\\uffe6]'
].join(''), 'u')
const narrow = /^[ -~]*$/

function widthOfChar (char: string): number {
  if (/\p{M}/u.test(char)) return 0
  return wide.test(char) ? 2 : 1
}

/** Returns the columns of a terminal that an escaped text takes. */
export function widthOf (text: string): number {
  if (narrow.test(text)) return text.length
  let width = 0
  for (const char of text) width += widthOfChar(char)
  return width
}

/** Cuts a text to some columns of a terminal; one that is cut ends with `…`. */
export function fit (text: string, columns: number): string {
  if (text.length <= columns && widthOf(text) <= columns) return text
  let width = 0
  let end = 0
  for (const char of text) {
    width += widthOfChar(char)
    if (width > columns - 1) break
    end += char.length
  }
  return columns < 1 ? '' : `${text.slice(0, end)}…`
}

/** Fills a text up to some columns of a terminal, on its left side where `isRight`. */
export function pad (text: string, columns: number, isRight = false): string {
  const fill = ' '.repeat(Math.max(0, columns - widthOf(text)))
  return isRight ? fill + text : text + fill
}

/** Returns a value in one line for people, of at most `columns`. */
export function lineOf (value: unknown, columns: number): string {
  if (value === undefined) return ''
  // Of a long text only the beginning is looked at.
  if (typeof value === 'string') return fit(escapeText(value.slice(0, columns + 1)), columns)
  return fit(jsonText(value), columns)
}

export function isRecord (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
