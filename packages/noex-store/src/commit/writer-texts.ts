import type { RequestToRemember, IdempotentRequest } from '../types/commit.js'
import { callSafely } from '../util/call-safely.js'

/** Longest note of a commit, in characters. */
const MAX_NOTE_CHARS = 65_536
/** Longest answer of a request that is remembered, in bytes of UTF-8. */
const MAX_ANSWER_BYTES = 65_536
/** Longest text about the rights that it rests on, in characters. */
const MAX_RIGHTS_CHARS = 8_192

/** Hears what a function of a writer throws. */
type OnFailure = (error: unknown) => void

/**
 * Returns the note of a commit; `undefined` where its writer fails. Never throws: the changes of the commit
 * are applied already.
 */
export function noteOf (
  revision: number, make: (revision: number) => string, onFailure: OnFailure
): string | undefined {
  try {
    const note: unknown = make(revision)
    if (typeof note === 'string' && note.length <= MAX_NOTE_CHARS) return note
    throw new TypeError(`The note of a commit must be a text of at most ${MAX_NOTE_CHARS} characters`)
  } catch (error) {
    callSafely(onFailure, () => {}, error)
    return undefined
  }
}

/**
 * Returns the request of a commit, with the answer that its writer makes of `result`; without one where the
 * writer fails. Never throws.
 */
export function requestOf (
  { key, request, windowMs, answer }: RequestToRemember, result: unknown, time: number, onFailure: OnFailure
): IdempotentRequest {
  const remembered = { key, request, until: time + windowMs }
  try {
    const { text, rights } = answer(result)
    if (Buffer.byteLength(text ?? '') > MAX_ANSWER_BYTES || (rights?.length ?? 0) > MAX_RIGHTS_CHARS) {
      throw new TypeError(`The answer of a request must be a text of at most ${MAX_ANSWER_BYTES} bytes, ` +
        `its rights one of at most ${MAX_RIGHTS_CHARS} characters`)
    }
    return {
      ...remembered,
      ...(text !== undefined && { answer: text }),
      ...(rights !== undefined && { rights })
    }
  } catch (error) {
    callSafely(onFailure, () => {}, error)
    return remembered
  }
}
