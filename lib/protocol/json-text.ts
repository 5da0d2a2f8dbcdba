export const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

/** Integers of so many digits may be too large for a number to hold exactly. */
const UNSAFE_DIGITS = /^-?\d{16,}$/

/** The characters of a JSON number. */
const NUMBER = /[-+.\deE]+/y

const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** An array, with what is in it, between the blanks of JSON. */
const ARRAY = /^[ \t\n\r]*\[(.*)\][ \t\n\r]*$/s

/** Returns the index of the quote that ends the string which begins at `start`, or the length of the text. */
export function endOfString (text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1) {
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++
    if (escapes % 2 === 0) return end
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

/**
 * Replaces integers beyond ±9007199254740991 in JSON text by infinity. Parsing would round them, and only the
 * text distinguishes them from numbers such as 1e300, which are exact. Other text is returned unchanged.
 */
export function withoutUnsafeIntegers (text: string): string {
  let kept = ''
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) {
      i = endOfString(text, i)
    } else if (char === MINUS || (char >= DIGIT_0 && char <= DIGIT_9)) {
      NUMBER.lastIndex = i
      const number = NUMBER.exec(text)?.[0] ?? ''
      if (UNSAFE_DIGITS.test(number) && !Number.isSafeInteger(Number(number))) {
        kept += `${text.slice(from, i)}1e999`
        from = i + number.length
      }
      i += number.length - 1
    }
  }
  return from === 0 ? text : kept + text.slice(from)
}

/**
 * Splits the text of a JSON array into those of its items, at most `max` + 1 of them: the last has the rest
 * then. Returns `undefined` for a text that does not begin and end as an array. The items are JSON if, and
 * only if, the text is.
 */
export function itemsOf (text: string, max: number): string[] | undefined {
  const inside = ARRAY.exec(text)?.[1]
  if (inside === undefined) return undefined
  const items: string[] = []
  let from = 0
  let depth = 0
  for (let i = 0; i < inside.length && items.length < max; i++) {
    const char = inside.charCodeAt(i)
    if (char === QUOTE) {
      i = endOfString(inside, i)
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      depth++
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      depth--
    } else if (char === COMMA && depth === 0) {
      items.push(inside.slice(from, i))
      from = i + 1
    }
  }
  const last = inside.slice(from)
  return items.length === 0 && isBlank(last) ? [] : [...items, last]
}

function isBlank (text: string): boolean {
  return /^[ \t\n\r]*$/.test(text)
}
