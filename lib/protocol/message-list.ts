import { isUtf8 } from 'node:buffer'

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Messages in the body of one POST to a stream.
 * @limit 400
 */
export const MAX_MESSAGES = 1_000

/**
 * Takes apart the body of a POST: one message, or an array of messages. The messages are not parsed: one that
 * is no JSON is answered as over a WebSocket. Returns `undefined` for a body that is empty, no UTF-8, an
 * array that does not end with it or that has gaps, or too many messages.
 */
export function messagesIn (body: Buffer): readonly Buffer[] | undefined {
  const start = endOfBlanks(body, 0)
  if (start === body.length || !isUtf8(body)) return undefined
  return body[start] === OPEN_BRACKET ? elementsOf(body, start + 1) : [body.subarray(start)]
}

/** Returns the elements of the array whose first one begins at `from`. */
function elementsOf (body: Buffer, from: number): readonly Buffer[] | undefined {
  const elements: Buffer[] = []
  let depth = 0
  for (let i = from; i < body.length; i++) {
    switch (body[i]) {
      case QUOTE:
        i = endOfString(body, i)
        break
      case OPEN_BRACKET:
      case OPEN_BRACE:
        depth++
        break
      case COMMA:
        if (depth > 0) break
        if (endOfBlanks(body, from) === i || elements.push(body.subarray(from, i)) === MAX_MESSAGES) {
          return undefined
        }
        from = i + 1
        break
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        if (depth-- > 0) break
        if (body[i] === CLOSE_BRACE || endOfBlanks(body, i + 1) < body.length) return undefined
        if (endOfBlanks(body, from) < i) elements.push(body.subarray(from, i))
        else if (elements.length > 0) return undefined
        return elements
    }
  }
  return undefined
}

/** Returns the index of the quote that ends the string which begins at `start`, or the length of the body. */
function endOfString (body: Buffer, start: number): number {
  let end = body.indexOf(QUOTE, start + 1)
  while (end !== -1) {
    let escapes = 0
    while (body[end - 1 - escapes] === BACKSLASH) escapes++
    if (escapes % 2 === 0) return end
    end = body.indexOf(QUOTE, end + 1)
  }
  return body.length
}

/** Returns the index of the first byte from `start` on that is no white space of JSON. */
function endOfBlanks (body: Buffer, start: number): number {
  let at = start
  while (at < body.length && isBlank(body[at])) at++
  return at
}

function isBlank (byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
