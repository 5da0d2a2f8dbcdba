import { constants } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { PersistedState } from '../storage/adapter.js'
import type { BucketFile } from '../storage/bucket-files.js'
import { toError } from '../storage/errors.js'
import { isHashedStem, keyOf, stemOf } from '../storage/file-name.js'
import { defaultSerializer } from '../storage/serializer.js'
import { keyOfDocument, parseDocument } from '../storage/state-document.js'
import { isObject } from '../util/value-kinds.js'
import { restoreOriginal } from './original-value.js'

/** The version of the files that adapters write. */
const FORMAT = 1

/** Contents of a file of a bucket, not looked at closely. */
export interface SavedBucket {
  readonly bucket: string
  readonly state: Readonly<Record<string, unknown>>
}

/**
 * Reads a file of an adapter.
 * @throws Error naming the file, what is wrong, and the remedy
 */
export function readSavedBucket (directory: string, file: BucketFile): SavedBucket {
  const path = join(directory, file.name)
  const { size } = statSync(path)
  // It was written as one text.
  if (size > constants.MAX_STRING_LENGTH) {
    throw refusal(path, `it has ${size} bytes, more than any that was saved`)
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
    const [name, saved] = file.isOriginal ? readOriginal(file, text) : readOwn(file, text)
    const { metadata, state } = saved
    const { schemaVersion } = metadata
    if (!Number.isSafeInteger(schemaVersion) || schemaVersion < FORMAT) throw new Error('it has no version')
    if (schemaVersion > FORMAT) {
      throw new NewerFormatError(`it has format ${schemaVersion}, and this version reads ${FORMAT}: ` +
        'import it with the version that wrote it, or a newer one')
    }
    if (!isObject(state) || !Array.isArray(state['records'])) throw new Error('it has no list of records')
    return { bucket: name, state }
  } catch (error) {
    if (error instanceof NewerFormatError) throw new Error(`${path}: ${error.message}`)
    const cause = error instanceof RangeError ? new Error('it is nested too deep') : toError(error)
    throw refusal(path, cause.message, cause)
  }
}

class NewerFormatError extends Error {}

function refusal (path: string, reason: string, cause?: Error): Error {
  return new Error(
    `${path} cannot be imported: ${reason}. Bring the file back from a backup; nothing was imported`,
    { cause }
  )
}

type Read = readonly [bucket: string, saved: PersistedState<unknown>]

function readOwn ({ name, bucket }: BucketFile, text: string): Read {
  const stem = name.replace(/\..*$/s, '')
  const key = isHashedStem(stem) ? keyOfDocument(text) : keyOf(stem)
  if (key === undefined || stemOf(key) !== stem) throw new Error('its key is not the one of its name')
  const saved = parseDocument<unknown>(defaultSerializer, key, text, true)
  const prefix = `${String(saved.metadata.serverId)}:bucket:`
  return [key.startsWith(prefix) && key !== prefix ? key.slice(prefix.length) : bucket, saved]
}

function readOriginal ({ name, bucket }: BucketFile, text: string): Read {
  const document: unknown = JSON.parse(text)
  if (!isObject(document) || !isObject(document['metadata']) || !isObject(document['state'])) {
    throw new Error('it has no state or no metadata')
  }
  const { state, metadata, checksum = metadata['checksum'] } = document
  if (checksum !== undefined && !checksumsOf(state).includes(String(checksum))) {
    throw new Error(`its checksum is not ${String(checksum).slice(0, 100)}: it was changed since`)
  }
  const saved = { state: restoreOriginal(state), metadata } as unknown as PersistedState<unknown>
  const prefix = `${String(metadata['serverId'])}:bucket:`.replace(/[^\w-]/g, '_')
  const stem = name.replace(/\..*$/s, '')
  return [stem.startsWith(prefix) && stem !== prefix ? stem.slice(prefix.length) : bucket, saved]
}

/** The checksums that a state may have: it was written in one line, or indented. */
function checksumsOf (state: unknown): string[] {
  return [0, 2].map(indent => {
    const text = JSON.stringify(state, undefined, indent)
    return createHash('sha256').update(text).digest('hex')
  })
}
