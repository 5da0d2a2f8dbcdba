import { scanLines, textOf, textOfCrcLine } from '@hamicek/noex-journal'
import { outlivesProcess } from '../schema/definition-data.js'
import { isObject } from '../util/value-kinds.js'
import type { BackupHead, StoreImage } from './change-log.js'
import { logFormat, MAX_LINE_BYTES } from './log-format.js'

const FORMAT = 1

/** Returns the head of a backup of an image. */
export function headOf (
  { revision, buckets }: StoreImage, facts: Pick<BackupHead, 'name' | 'createdAt' | 'epoch'>
): BackupHead {
  const saved = buckets.filter(({ definition }) => outlivesProcess(definition))
  return {
    format: FORMAT,
    ...facts,
    revision,
    bucketNames: saved.map(({ name }) => name),
    totalRecords: saved.reduce((sum, { records }) => sum + records.length, 0)
  }
}

/**
 * Returns an image as a backup has it: without what buckets hold that are not to outlive a process, and
 * without the requests that are remembered, which belong to the history.
 */
export function savedImage (image: StoreImage): StoreImage {
  return {
    ...image,
    requests: [],
    buckets: image.buckets.map(
      bucket => outlivesProcess(bucket.definition) ? bucket : { ...bucket, records: [], deleted: [] }
    )
  }
}

/** Returns the first line of a backup. */
export function lineOfHead (head: BackupHead): string {
  return JSON.stringify({ backup: head })
}

/**
 * Reads the first line of a backup.
 * @throws when it is none, damaged there, or of a newer format: with the file and the remedy
 */
export function parseHead (text: string, path: string): BackupHead {
  const head = memberOf(text, 'backup')
  if (!isObject(head)) throw new Error(`${path} is no backup of a store`)
  const { format, name, createdAt, epoch, revision, bucketNames, totalRecords } = head
  if (Number.isSafeInteger(format) && format as number > FORMAT) {
    throw new Error(`${path}: the backup has format ${String(format)}, and this version reads ${FORMAT}: ` +
      'it takes a newer one')
  }
  const isGood = format === FORMAT && typeof name === 'string' && typeof epoch === 'string' &&
    [createdAt, revision, totalRecords].every(Number.isSafeInteger) &&
    Array.isArray(bucketNames) && bucketNames.every(bucket => typeof bucket === 'string')
  if (!isGood) throw new Error(`${path} is no backup of a store`)
  return head as unknown as BackupHead
}

/**
 * Reads what a backup says of itself; `undefined` where there is no file.
 * @throws as `parseHead`
 */
export function readHead (path: string): BackupHead | undefined {
  let head: BackupHead | undefined
  let isThere = false
  scanLines(path, 0, MAX_LINE_BYTES, raw => {
    isThere = true
    const text = raw.ended ? textOf(raw) : undefined
    const isGood = text !== undefined && logFormat.follow(text, logFormat.start) !== undefined
    if (!isGood) throw damagedBackup(path, 1, 0)
    head = parseHead(textOfCrcLine(text), path)
    return false
  })
  if (isThere && head === undefined) throw damagedBackup(path, 1, 0)
  return head
}

/** Returns the error of a backup that is damaged behind so many good bytes, or ends there. */
export function damagedBackup (path: string, line: number, byte: number): Error {
  return new Error(`${path}, line ${line} (byte ${byte}): the backup is damaged or cut there, or is none: ` +
    'take another one')
}

function memberOf (text: string, name: string): unknown {
  try {
    const value = JSON.parse(text) as unknown
    return isObject(value) ? value[name] : undefined
  } catch {
    return undefined
  }
}
