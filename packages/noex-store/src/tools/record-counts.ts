import { isChangeType } from '../log/entry-lines.js'
import { parseEncoded } from '../storage/tagged-value.js'
import { isObject } from '../util/value-kinds.js'

/** Number of records of each bucket. */
export type Counts = ReadonlyMap<string, number>

/** Checks the lines of an image one after the other, and counts; it holds no records. */
export class ImageCounts {
  readonly #counts = new Map<string, number>()
  #revision: number | undefined
  #bucket: string | undefined

  /** @throws an Error that says what is wrong with the line */
  add (text: string): void {
    const line = parse(text)
    if ('revision' in line) this.#begin(line)
    else if (this.#revision === undefined) throw new Error('the image does not begin with its revision')
    else if (isObject(line['bucket'])) this.#addBucket(line['bucket'])
    else this.#addContents(line)
  }

  /** Returns the revision and the counts. @throws where the image has no beginning */
  end (): { readonly revision: number, readonly counts: Counts } {
    if (this.#revision === undefined) throw new Error('the image does not begin with its revision')
    return { revision: this.#revision, counts: this.#counts }
  }

  #begin ({ revision, queries }: Readonly<Record<string, unknown>>): void {
    const isGood = isCount(revision) && Array.isArray(queries) && this.#revision === undefined
    if (!isGood) throw new Error('the line is no beginning of an image')
    this.#revision = revision
  }

  #addBucket ({ name, definition, counter, floor }: Readonly<Record<string, unknown>>): void {
    const isGood = typeof name === 'string' && isObject(definition) && isCount(counter) && isCount(floor)
    if (!isGood) throw new Error('the line is no beginning of a bucket')
    if (this.#counts.has(name)) throw new Error(`bucket ${JSON.stringify(name)} is there twice`)
    this.#counts.set(name, 0)
    this.#bucket = name
  }

  #addContents ({ records, deleted, requests }: Readonly<Record<string, unknown>>): void {
    if (Array.isArray(requests)) return
    const list = records ?? deleted
    if (this.#bucket === undefined || !Array.isArray(list)) throw new Error('the line is no part of an image')
    if (Array.isArray(records)) {
      this.#counts.set(this.#bucket, (this.#counts.get(this.#bucket) as number) + records.length)
    }
  }
}

/** Counts the records of a store from one revision to the next, without holding them. */
export class RunningCounts {
  readonly #counts: Map<string, number>

  constructor (counts: Counts = new Map()) {
    this.#counts = new Map(counts)
  }

  get counts (): Counts {
    return this.#counts
  }

  /** Applies the text of a commit. @throws an Error that says why it is none, or does not fit */
  add (text: string): void {
    for (const change of changesOf(text)) {
      if (change.type !== 'query') this.#apply(change)
    }
  }

  #apply ({ type, bucket, records }: CommitChange): void {
    const count = this.#counts.get(bucket)
    if (type === 'define') {
      if (count !== undefined && count > 0) throw new Error(`defines bucket ${JSON.stringify(bucket)} again`)
      this.#counts.set(bucket, records ?? 0)
      return
    }
    if (count === undefined) throw new Error(`changes bucket ${JSON.stringify(bucket)}, which is not there`)
    if (type === 'delete' && count === 0) {
      throw new Error(`deletes a record of bucket ${JSON.stringify(bucket)}, which has none`)
    }
    if (type === 'drop') this.#counts.delete(bucket)
    else if (type === 'clear') this.#counts.set(bucket, 0)
    else if (type === 'redefine') this.#counts.set(bucket, records ?? count)
    else this.#counts.set(bucket, count + (type === 'insert' ? 1 : type === 'delete' ? -1 : 0))
  }
}

/** Names the first bucket whose records two counts give differently; `undefined` when they are the same. */
export function differenceOf (one: Counts, other: Counts): string | undefined {
  return [...new Set([...one.keys(), ...other.keys()])].find(name => one.get(name) !== other.get(name))
}

interface CommitChange {
  readonly type: string
  readonly bucket: string
  /** Number of the records that a definition starts with. */
  readonly records: number | undefined
}

/** Returns the changes of the text of a commit. @throws where it is none */
export function changesOf (text: string): CommitChange[] {
  const { time, changes } = parse(text)
  if (typeof time !== 'number' || !Array.isArray(changes)) throw new Error('is no commit')
  return changes.map((change: unknown) => {
    const { type, bucket, query, records } = isObject(change) ? change : {}
    if (!isChangeType(type) || typeof (type === 'query' ? query : bucket) !== 'string') {
      throw new Error('has a change that is none')
    }
    return {
      type,
      bucket: String(bucket),
      records: Array.isArray(records) ? records.length : undefined
    }
  })
}

function parse (text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = parseEncoded(text)
  } catch (error) {
    throw new Error(`cannot be read: ${(error as Error).message}`, { cause: error })
  }
  if (!isObject(value)) throw new Error('is no JSON object')
  return value
}

function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
