import { createHash } from 'node:crypto'
import type { PersistedState } from './adapter.js'
import { ChecksumMismatchError, CorruptedStateError } from './errors.js'
import type { StateSerializer } from './serializer.js'

// A document is one JSON object. Its checksum comes first and covers the whole text after it, so that
// it can be verified before anything is parsed.
const CHECKSUM = /^\{\s*"checksum":\s*"([^"]*)",/
const KEY = /"key":\s*("(?:[^"\\]|\\.)*")/

/**
 * Writes the text of a state file: key, metadata and state, after their SHA-256 if wanted.
 * Throws `SerializationError`.
 */
export function composeDocument (
  serializer: StateSerializer,
  key: string,
  { state, metadata }: PersistedState<unknown>,
  withChecksum: boolean
): string {
  const covered = `
"key":${JSON.stringify(key)},
"metadata":${serializer.serialize(metadata)},
"state":${serializer.serialize(state)}}
`
  return withChecksum ? `{"checksum":"${sha256(covered)}",${covered}` : `{${covered}`
}

/**
 * Reads the text of a state file.
 *
 * Throws `ChecksumMismatchError` when there is a checksum that does not fit, `DeserializationError`
 * when the text is not JSON, and `CorruptedStateError` when it is not a state of this key.
 */
export function parseDocument<T> (
  serializer: StateSerializer,
  key: string,
  text: string,
  verifyChecksum: boolean
): PersistedState<T> {
  const header = verifyChecksum ? CHECKSUM.exec(text) : null
  if (header !== null) {
    const [{ length }, expected = ''] = header
    const actual = sha256(text.slice(length))
    if (actual !== expected) throw new ChecksumMismatchError(key, expected, actual)
  }

  const document = serializer.deserialize<unknown>(text)
  if (!isStateDocument<T>(document)) throw new CorruptedStateError(key, 'it has no state or no metadata')
  if (document.key !== undefined && document.key !== key) {
    throw new CorruptedStateError(key, `it belongs to the key "${String(document.key)}"`)
  }
  return { state: document.state, metadata: document.metadata }
}

/** Finds the key in the text of a state file; `undefined` when there is none. */
export function keyOfDocument (text: string): string | undefined {
  const literal = KEY.exec(text)?.[1]
  if (literal === undefined) return undefined
  try {
    return String(JSON.parse(literal))
  } catch {
    return undefined
  }
}

function isStateDocument<T> (document: unknown): document is PersistedState<T> & { readonly key?: unknown } {
  return typeof document === 'object' && document !== null &&
    'state' in document &&
    'metadata' in document && typeof document.metadata === 'object' && document.metadata !== null
}

function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
