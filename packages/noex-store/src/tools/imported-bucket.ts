import { readRemembered } from '../bucket/remembered.js'
import { ValidationError } from '../errors.js'
import { InputReader } from '../schema/input-reader.js'
import { estimateBytes } from '../schema/size.js'
import type { Change, Commit, RememberedKeys } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import { WHOLE_DEFINITION, type BucketDefinition, type FieldType } from '../types/schema.js'
import { isObject } from '../util/value-kinds.js'
import type { SavedBucket } from './bucket-state.js'

/** Records and estimated bytes after which a commit of an import ends. */
const PER_COMMIT = 1_000
const COMMIT_BYTES = 1_048_576
/** Most estimated bytes of a record: a line of the log holds it. */
const MAX_RECORD_BYTES = 67_108_864
/** Members that the store writes itself. */
const METADATA: ReadonlySet<string> = new Set(['_version', '_createdAt', '_updatedAt', '_expiresAt'])

/** A bucket of an adapter as a store takes it. */
export interface ImportedBucket {
  readonly name: string
  readonly records: readonly StoreRecord[]
  /** Last given autoincrement number. */
  readonly counter: number
  readonly remembered: RememberedKeys
  /** A guess, which the first definition of a process replaces. */
  readonly definition: BucketDefinition
}

/**
 * Looks at everything in a saved bucket.
 * @throws Error naming the first record that is wrong
 */
export function importedBucketOf ({ bucket: name, state }: SavedBucket): ImportedBucket {
  const { records: entries, autoincrementCounter: counter = 0, remembered } = state
  if (!Number.isSafeInteger(counter) || (counter as number) < 0) {
    throw new Error(`its autoincrement counter is ${String(counter)}`)
  }
  const records: StoreRecord[] = []
  const keys = new KeyFields()
  for (const [i, entry] of (entries as unknown[]).entries()) {
    if (!Array.isArray(entry) || entry.length !== 2 || !isObject(entry[1])) {
      throw new Error(`its record number ${i + 1} is not a key and a record`)
    }
    const [key, record] = entry as [unknown, Readonly<Record<string, unknown>>]
    try {
      records.push(readRecord(name, record))
      keys.add(key, record)
    } catch (error) {
      throw new Error(`its record with key ${shown(key)} (number ${i + 1}) ${(error as Error).message}`)
    }
  }
  return {
    name,
    records,
    counter: counter as number,
    remembered: readRemembered(remembered, records),
    definition: keys.definition
  }
}

/** The commits that make a bucket, without their numbers. */
export function * commitsOf (
  { name: bucket, definition, records, counter, remembered }: ImportedBucket, time: number
): Generator<Omit<Commit, 'revision'>, undefined> {
  const groups = groupsOf(records)
  const first: Change = {
    type: 'define',
    bucket,
    definition,
    functions: [WHOLE_DEFINITION],
    records: groups.next().value ?? [],
    ...(remembered.floor + remembered.deleted.length > 0 && { remembered })
  }
  yield { time, changes: [first], ...(counter > 0 && { counters: { [bucket]: counter } }) }
  for (const group of groups) {
    const changes = group.map((after): Change =>
      ({ type: 'insert', bucket, key: after[definition.key], before: undefined, after }))
    yield { time, changes }
  }
}

function * groupsOf (records: readonly StoreRecord[]): Generator<readonly StoreRecord[], undefined> {
  let begin = 0
  let bytes = 0
  for (const [i, record] of records.entries()) {
    bytes += estimateBytes(record)
    if (bytes < COMMIT_BYTES && i + 1 - begin < PER_COMMIT) continue
    yield records.slice(begin, i + 1)
    begin = i + 1
    bytes = 0
  }
  if (begin < records.length) yield records.slice(begin)
}

function readRecord (bucket: string, record: Readonly<Record<string, unknown>>): StoreRecord {
  for (const name of ['_version', '_createdAt', '_updatedAt']) {
    if (!Number.isFinite(record[name])) throw new Error(`has no ${name}`)
  }
  try {
    const read = InputReader.readRecord(bucket, record) as StoreRecord
    if (estimateBytes(read) <= MAX_RECORD_BYTES) return read
  } catch (error) {
    const [issue] = error instanceof ValidationError ? error.issues : []
    if (issue === undefined) throw error
    throw new Error(`has a value that no store takes any more: field "${issue.field}": ${issue.message}`)
  }
  throw new Error(`has more than ${MAX_RECORD_BYTES} bytes`)
}

/** Finds the field that holds the keys of a bucket: each record is saved under the key that it has there. */
class KeyFields {
  readonly #seen = new Set<unknown>()
  #fields: string[] | undefined
  #type: FieldType = 'string'

  /** @throws Error for a record that has no such field, or a key that was there before */
  add (key: unknown, record: Readonly<Record<string, unknown>>): void {
    const type = typeOfKey(key)
    if (type === undefined) throw new Error('has no key')
    const id = comparable(key)
    const fields = (this.#fields ?? Object.keys(record).filter(name => !METADATA.has(name)))
      .filter(name => comparable(record[name]) === id)
    if (fields.length === 0) throw new Error('has not the key that it is saved under in its key field')
    if (this.#seen.has(id)) throw new Error('is there twice')
    this.#seen.add(id)
    if (this.#fields === undefined || type === 'date') this.#type = type
    this.#fields = fields
  }

  /** A definition with the key field alone. */
  get definition (): BucketDefinition {
    const key = this.#fields?.[0] ?? 'id'
    return { key, schema: { [key]: { type: this.#type } } }
  }
}

function typeOfKey (key: unknown): FieldType | undefined {
  if (key instanceof Date) return 'date'
  const type = typeof key
  return type === 'string' || type === 'number' || type === 'boolean' ? type : undefined
}

/** A key as it is compared: dates are the same when their times are. */
function comparable (key: unknown): unknown {
  return key instanceof Date ? `\0date ${key.getTime()}` : key
}

function shown (key: unknown): string {
  const text = key instanceof Date ? String(key) : JSON.stringify(key) ?? String(key)
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
