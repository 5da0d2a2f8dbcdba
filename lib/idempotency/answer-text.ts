import { EncodedJson, encodeJson } from '../protocol/encode.js'

/**
 * Bytes of an answer as JSON up to which it is remembered.
 * @limit a repetition is answered `{ "repeated": true }`
 */
const MAX_ANSWER_BYTES = 65_536

/**
 * Returns the JSON of an answer, as the reply has it; `undefined` for one that is too long to be remembered.
 * Takes no longer for a very long one.
 * @throws {TypeError} for values that JSON cannot hold
 */
export function answerText (data: unknown): string | undefined {
  if (!(data instanceof EncodedJson) && charsLeft(data, MAX_ANSWER_BYTES) < 0) return undefined
  const text = encodeJson(data)
  return Buffer.byteLength(text) > MAX_ANSWER_BYTES ? undefined : text
}

/** Returns how many characters the JSON of a value leaves of so many, at most; negative: too few. */
function charsLeft (value: unknown, chars: number): number {
  if (typeof value === 'string') return chars - value.length - 2
  if (typeof value !== 'object' || value === null) return chars - 1
  let left = chars - 2
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = charsLeft(value[i], left)
    return left
  }
  for (const name in value) {
    left = charsLeft((value as Readonly<Record<string, unknown>>)[name], left - name.length - 3)
    if (left < 0) return left
  }
  return left
}
