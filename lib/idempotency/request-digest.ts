import { createHash } from 'node:crypto'
import type { RequestMessage } from '../protocol/messages.js'
import { isTurnOver, nextTurn } from '../util/slice.js'

/** Members that are the same for all requests, or differ between a request and its repetition. */
const LEFT_OUT: readonly string[] = ['id', 'idempotencyKey', 'revision']

/** Members of an object up to which their order is of no importance: to sort more holds up the others. */
const MAX_SORTED = 1_000

/** Characters that are given to the hash at once, about. */
const CHUNK_CHARS = 16_384

/**
 * Returns a digest of a request that is the same for its repetitions: of the type and all members but `id`,
 * `idempotencyKey`, `revision` and those in `secrets`, in any order. A long request is read in slices.
 */
export async function digestOf (request: RequestMessage, secrets: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  let chunk = ''
  for (const text of canonical(request, [...LEFT_OUT, ...secrets])) {
    chunk += text
    if (chunk.length < CHUNK_CHARS) continue
    hash.update(chunk)
    chunk = ''
    if (isTurnOver()) await nextTurn()
  }
  return hash.update(chunk).digest('base64url')
}

/** Yields the pieces of the JSON of a value, without the members of these names at its top level. */
function * canonical (value: unknown, leftOut: readonly string[]): Generator<string> {
  if (typeof value !== 'object' || value === null) {
    yield JSON.stringify(value)
  } else if (Array.isArray(value)) {
    yield '['
    for (const item of value) {
      yield * canonical(item, [])
      yield ','
    }
    yield ']'
  } else {
    const names = Object.keys(value)
    if (names.length <= MAX_SORTED) names.sort()
    yield '{'
    for (const name of names) {
      if (leftOut.includes(name)) continue
      yield `${JSON.stringify(name)}:`
      yield * canonical((value as Readonly<Record<string, unknown>>)[name], [])
      yield ','
    }
    yield '}'
  }
}
