export const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

/** Integers of so many digits may be too large for a number to hold exactly. */
const UNSAFE_DIGITS = /^-?\d{16,}$/

/** The characters of a JSON number. */
const NUMBER = /[-+.\deE]+/y

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
