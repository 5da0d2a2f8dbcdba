import { estimateBytes } from '../schema/size.js'
import { encode, parseEncoded } from '../storage/tagged-value.js'
import type { RememberedRequest } from '../types/commit.js'
import type { DeclarativeQueryConfig } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import type { BucketImage, StoreImage } from './change-log.js'

/** Records or deleted keys in one line. */
const PER_LINE = 50
/** Estimated bytes after which a line ends. */
const LINE_BYTES = 65_536

type ImageLine =
  | {
    readonly revision: number
    readonly queries: ReadonlyArray<readonly [name: string, config: DeclarativeQueryConfig]>
  }
  | { readonly bucket: Omit<BucketImage, 'deleted' | 'records'> }
  | { readonly deleted: BucketImage['deleted'], readonly requests?: readonly RememberedRequest[] }
  | { readonly records: readonly StoreRecord[] }

/**
 * Returns the lines of an image, one after the other: a head, for each bucket a head and its contents, and
 * the requests that are remembered. Versions before those read a line of them as one without deleted keys.
 */
export function * linesOfImage (
  { revision, queries, buckets, requests = [] }: StoreImage
): Generator<string> {
  yield lineOf({ revision, queries })
  for (const { deleted, records, ...bucket } of buckets) {
    yield lineOf({ bucket })
    for (let i = 0; i < deleted.length; i += PER_LINE) {
      yield lineOf({ deleted: deleted.slice(i, i + PER_LINE) })
    }
    for (let i = 0; i < records.length;) {
      const end = endOfLine(records, i)
      yield lineOf({ records: records.slice(i, end) })
      i = end
    }
  }
  for (let i = 0; i < requests.length;) {
    const end = endOfLine(requests, i)
    yield lineOf({ deleted: [], requests: requests.slice(i, end) })
    i = end
  }
}

/** Returns whether the first line of an image says that it is of this revision. */
export function isHeadOf (text: string, revision: number): boolean {
  return text.startsWith(`{"revision":${revision},`)
}

/**
 * Throws when a line of a log is one of a snapshot or a backup, which has been put in the place of its file.
 */
export function refuseImageLine (text: string, path: string): void {
  if (!/^(\{"(backup|revision|bucket|deleted|records)":|"end"$)/.test(text)) return
  throw new Error(`${path} is a backup or a snapshot, and no part of a log: bring it back from a backup`)
}

function endOfLine (records: readonly object[], from: number): number {
  let bytes = 0
  let end = from
  while (end < records.length && end - from < PER_LINE && bytes < LINE_BYTES) {
    bytes += estimateBytes(records[end++])
  }
  return end
}

function lineOf (line: ImageLine): string {
  return JSON.stringify(encode(line))
}

interface Building extends Omit<BucketImage, 'deleted' | 'records'> {
  readonly deleted: Array<BucketImage['deleted'][number]>
  readonly records: StoreRecord[]
}

/** Puts an image together from its lines. */
export class ImageReader {
  #head: Pick<StoreImage, 'revision' | 'queries'> | undefined
  readonly #buckets: Building[] = []
  readonly #requests: RememberedRequest[] = []

  add (text: string): void {
    const line = parseEncoded(text) as ImageLine
    if ('revision' in line) this.#head = line
    else if ('bucket' in line) this.#buckets.push({ ...line.bucket, deleted: [], records: [] })
    else {
      const bucket = this.#buckets.at(-1)
      if ('deleted' in line) {
        for (const entry of line.deleted) bucket?.deleted.push(entry)
        for (const request of line.requests ?? []) this.#requests.push(request)
      } else for (const record of line.records) bucket?.records.push(record)
    }
  }

  /** Returns the image. @throws when its head is missing */
  end (): StoreImage {
    if (this.#head === undefined) throw new Error('The snapshot has no head')
    return { ...this.#head, buckets: this.#buckets, requests: this.#requests }
  }
}
