import { EncodedJson, encodeJson } from '../protocol/encode.js'
import { charsLeft } from '../protocol/json-chars.js'

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
