import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, DurableFile, readBytes, sizeOf, syncDirectory } from '@hamicek/noex-journal'

const FORMAT = 1
/** A longer file is none of ours, in bytes. */
const MAX_BYTES = 4_096

/** Which history the log of a directory has. */
export interface Identity {
  /** Names the history. */
  readonly epoch: string
  /** Revision of the first commit of the log. */
  readonly first: number
  /** Revision of the snapshot with which the log begins; absent where it begins with a commit. */
  readonly snapshot?: number
}

/** Name of the file that is there while a command makes a log; its text names the command. */
export const UNFINISHED = 'store.unfinished'

/**
 * Reads which history a directory has; `undefined` for none.
 * @throws when there is a log without it, when it is damaged, or of a newer format
 */
export function readIdentity (directory: string): Identity | undefined {
  const path = join(directory, 'store.json')
  if (!existsSync(path)) {
    refuseRemains(directory, path)
    return undefined
  }
  const text = readBytes(path, 0, MAX_BYTES).toString('utf8')
  const identity = parse(text)
  if (identity !== undefined && textOf(identity) === text) return identity
  const format = formatIn(text)
  if (format !== undefined && format > FORMAT) {
    throw new Error(`${path}: the log has format ${format}, and this version reads ${FORMAT}: ` +
      'it takes a newer one')
  }
  throw new Error(`${path} is damaged: bring it back from a backup`)
}

/** Says which history a directory has, in place of what was said before: durably, all or nothing. */
export function writeIdentity (directory: string, identity: Identity): void {
  const path = join(directory, 'store.json.new')
  rmSync(path, { force: true })
  const file = new DurableFile(path, true)
  try {
    file.append(Buffer.from(textOf(identity)))
    file.rename(join(directory, 'store.json'))
  } finally {
    file.close()
  }
  syncDirectory(directory)
}

/** Whether a file of this name is one with the data of a log. */
export function isLogFile (name: string): boolean {
  return /^(store|snapshot)\.(\d{16}\.)?log$/.test(name)
}

function refuseRemains (directory: string, path: string): void {
  if (existsSync(join(directory, UNFINISHED))) {
    const command = readBytes(join(directory, UNFINISHED), 0, MAX_BYTES).toString('utf8').trim()
    throw new Error(`${directory}: ${command} has not finished there: run it again`)
  }
  const remains = readdirSync(directory).find(
    name => isLogFile(name) && sizeOf(join(directory, name)) !== 0
  )
  if (remains === undefined) return
  throw new Error(`${path} is missing, but there is ${remains}: bring the directory back from a backup`)
}

function textOf ({ epoch, first, snapshot }: Identity): string {
  const members = { format: FORMAT, epoch, first, ...(snapshot !== undefined && { snapshot }) }
  const crc = crc32(JSON.stringify(members)).toString(16).padStart(8, '0')
  return `${JSON.stringify({ ...members, crc })}\n`
}

function parse (text: string): Identity | undefined {
  try {
    const { epoch, first, snapshot } = JSON.parse(text) as Identity
    const isGood = typeof epoch === 'string' && Number.isSafeInteger(first) &&
      (snapshot === undefined || Number.isSafeInteger(snapshot))
    return isGood ? { epoch, first, ...(snapshot !== undefined && { snapshot }) } : undefined
  } catch {
    return undefined
  }
}

function formatIn (text: string): number | undefined {
  const [, digits] = /^\{"format":(\d{1,9}),/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits)
}
