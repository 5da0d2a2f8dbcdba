import { closeSync, openSync, readFileSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isHashedStem, keyOf } from './file-name.js'
import { isObject } from '../util/value-kinds.js'
import { keyOfDocument } from './state-document.js'

/** Bytes at the beginning of a file by which a big one is known. */
const HEAD_BYTES = 65_536
/** Bytes up to which a file is read whole. */
const WHOLE_BYTES = 1_048_576

/** A file that holds, or may hold, the records of a bucket: one of `FileAdapter`, or of the original's. */
export interface BucketFile {
  readonly name: string
  /** Whether the original's adapter has named it, which puts `_` for most characters. */
  readonly isOriginal: boolean
  /** By the name of the file, as far as that says it. */
  readonly store: string
  readonly bucket: string
}

/** Lists the files of a folder that hold buckets, by name; damaged ones too, which are named like that. */
export function bucketFilesIn (directory: string): BucketFile[] {
  return readdirSync(directory).sort().flatMap(name => bucketFileOf(directory, name) ?? [])
}

function bucketFileOf (directory: string, name: string): BucketFile | undefined {
  if (/\.corrupt-\d+$/.test(name)) return undefined
  const stem = name.replace(/\..*$/s, '')
  const path = join(directory, name)
  const key = isHashedStem(stem) ? hashedKeyOf(path) : keyOf(stem)
  const [, store, bucket] = /^(.+?):bucket:(.+)$/s.exec(key ?? '') ?? []
  if (store !== undefined && bucket !== undefined) {
    return isFile(path) ? { name, isOriginal: false, store, bucket } : undefined
  }
  const [, prefix, rest] = /^(.+?)_bucket_(.+)$/s.exec(stem) ?? []
  if (prefix === undefined || rest === undefined || !isFile(path) || !mayBeOriginal(path)) return undefined
  return { name, isOriginal: true, store: prefix, bucket: rest }
}

/** The key in a file that is named by hash; where there is none, as if it were that of a bucket. */
function hashedKeyOf (path: string): string {
  return (isFile(path) ? keyOfDocument(headOf(path)) : '') ?? 'unknown:bucket:unknown'
}

/** Whether a file that is named like one of the original's is one, perhaps damaged, and not another's. */
function mayBeOriginal (path: string): boolean {
  if (!path.endsWith('.json')) return /^\s*\{[^]*"state"[^]*"records"/.test(headOf(path))
  if (statSync(path).size > WHOLE_BYTES) {
    const head = headOf(path)
    return !/^\s*[[{]/.test(head) || head.includes('"state"')
  }
  try {
    const document: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (!isObject(document)) return false
    return 'state' in document || 'metadata' in document || Object.keys(document).length === 0
  } catch {
    return true
  }
}

function isFile (path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function headOf (path: string): string {
  const fd = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(HEAD_BYTES)
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, HEAD_BYTES, 0))
  } finally {
    closeSync(fd)
  }
}
