import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { acquireLock, makeDirectory } from '@hamicek/noex-journal'
import { FileLog } from '../log/file-log.js'
import { isLogFile } from '../log/identity.js'
import { finishStaged, stageLog, type StagedPlan } from '../log/staged-log.js'
import { bucketFilesIn, type BucketFile } from '../storage/bucket-files.js'
import { Store } from '../store/store.js'
import { readSavedBucket } from './bucket-state.js'
import { commitsOf, importedBucketOf, type ImportedBucket } from './imported-bucket.js'
import { isBelow, isSameDirectory, refuseTargetDirectory } from './targets.js'

export interface ImportOptions {
  /** Folder with the files of `FileAdapter`, or of the adapter of noex-server. No store may be using it. */
  readonly directory: string
  /**
   * Folder of the log: empty, or missing, and another one than `directory`, below it perhaps.
   * @default `directory`, where the old files are moved to a folder
   */
  readonly into?: string | undefined
  /** Name of the store whose buckets are imported, where there are several. */
  readonly store?: string | undefined
  /** New names of buckets, by those that the files say: noex-server puts `_` for other characters. */
  readonly rename?: ReadonlyMap<string, string>
}

/** Result of an import. */
export interface ImportReport {
  /** Folder of the log. */
  readonly directory: string
  /** Name of the store; `undefined` where nothing was left to import. */
  readonly store: string | undefined
  readonly buckets: StagedPlan['buckets']
  /** Folder of the old files, when they were moved. */
  readonly setAside: string | undefined
  /** Other files of the folder that was imported, which are as they were. */
  readonly left: readonly string[]
}

/**
 * Turns a folder of an adapter into the log of a durable store, with all versions, times, numbers and keys as
 * they are. The buckets have no definitions: the first one that a process gives each is its own. Either
 * everything is imported or nothing is; after a crash, the same call again finishes.
 * @throws Error naming the file and the remedy; then nothing has changed
 */
export async function importDirectory (options: ImportOptions): Promise<ImportReport> {
  const directory = resolve(options.directory)
  const into = resolve(options.into ?? directory)
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new Error(`${directory} is not a folder: name that of an adapter's files`)
  }
  if (options.into !== undefined) refuseInto(directory, into)
  refuseTargetDirectory(into)
  const made = makeDirectory(into)
  try {
    const lock = await acquireLock(join(into, 'store.lock'), 'another process has this store: stop it first')
    try {
      const plan = finishStaged(into) ?? await begin(directory, into, options)
      return reportOf(directory, into, plan)
    } finally {
      await lock.release()
    }
  } catch (error) {
    if (made !== undefined) removeEmpty(into)
    throw error
  }
}

/** Throws when a folder for a log is that of the old files, or has that in it. */
function refuseInto (directory: string, into: string): void {
  if (isSameDirectory(directory, into)) {
    throw new Error(`${into} is the folder that is imported: name another one, or leave --into out`)
  }
  if (isBelow(directory, into)) {
    throw new Error(`${into} has the folder that is imported in it: name an empty folder`)
  }
}

async function begin (
  directory: string, into: string, { store, rename = new Map() }: ImportOptions
): Promise<StagedPlan | undefined> {
  const isInPlace = into === directory
  const files = choose(directory, bucketFilesIn(directory), isInPlace, store)
  const hasLog = existsSync(join(into, 'store.json'))
  if (files.length === 0) {
    if (isInPlace && hasLog) return undefined
    throw new Error(`${directory} has no buckets of an adapter`)
  }
  if (hasLog) {
    throw new Error(isInPlace
      ? `${directory} has a log, and beside it files of an adapter (${(files[0] as BucketFile).name}): ` +
        'move those to another folder, and import that one where they are wanted'
      : `${into} has a store already: name an empty folder`)
  }
  const part = readdirSync(into).find(isLogFile)
  if (part !== undefined) {
    throw new Error(`${into} has a part of a log (${part}): ` +
      (isInPlace ? 'move it to another folder' : 'name an empty folder'))
  }
  const [other] = isInPlace ? [] : bucketFilesIn(into)
  if (other !== undefined) {
    throw new Error(`${into} has files of an adapter itself (${other.name}): name an empty folder`)
  }
  await stageLog(into, async folder => {
    const buckets = await writeLog(folder, readBuckets(directory, files, rename))
    const plan = { store: (files[0] as BucketFile).store, buckets }
    return isInPlace ? { ...plan, setAside: freeName(directory) } : plan
  })
  return finishStaged(into)
}

/** The files of one store. */
function choose (
  directory: string, files: readonly BucketFile[], isInPlace: boolean, store: string | undefined
): readonly BucketFile[] {
  const stores = [...new Set(files.map(file => file.store))]
  if (store !== undefined && !stores.includes(store)) {
    throw new Error(`${directory} has no store "${store}"; it has ${list(stores)}`)
  }
  if (stores.length > 1 && (store === undefined || isInPlace)) {
    throw new Error(`${directory} has the buckets of several stores (${list(stores)}): ` +
      'import each into a folder of its own, by --store NAME --into FOLDER')
  }
  return files.filter(file => store === undefined || file.store === store)
}

function * readBuckets (
  directory: string, files: readonly BucketFile[], rename: ReadonlyMap<string, string>
): Generator<{ readonly file: string, readonly bucket: ImportedBucket }, undefined> {
  const known = new Map<string, string>()
  for (const file of files) {
    const saved = readSavedBucket(directory, file)
    const name = rename.get(saved.bucket) ?? saved.bucket
    const path = join(directory, file.name)
    const other = known.get(name)
    if (other !== undefined) throw new Error(`${path} and ${other} are both bucket "${name}": move one away`)
    known.set(name, path)
    try {
      yield { file: file.name, bucket: importedBucketOf({ ...saved, bucket: name }) }
    } catch (error) {
      throw new Error(
        `${path} cannot be imported: ${(error as Error).message}. Change it with the version that wrote ` +
        'the file, or bring the file back from a backup; nothing was imported', { cause: error }
      )
    }
  }
  for (const name of rename.values()) {
    if (known.has(name)) continue
    throw new Error(`there is no bucket to be named "${name}"; there are ${list([...known.keys()])}`)
  }
}

/** Writes a log, and reads it back. */
async function writeLog (
  folder: string, buckets: Iterable<{ readonly file: string, readonly bucket: ImportedBucket }>
): Promise<StagedPlan['buckets']> {
  const written: Array<StagedPlan['buckets'][number]> = []
  const log = new FileLog({ directory: folder })
  const time = Date.now()
  await log.open()
  try {
    for (const { file, bucket } of buckets) {
      for (const commit of commitsOf(bucket, time)) {
        await log.append([{ ...commit, revision: log.revision + 1 }], log.revision)
      }
      written.push({ name: bucket.name, records: bucket.records.length, file })
    }
  } finally {
    await log.close()
  }
  await checkLog(folder, written)
  return written
}

/** @throws when a store that starts on the log does not have everything */
async function checkLog (folder: string, buckets: StagedPlan['buckets']): Promise<void> {
  const durability = { directory: folder, snapshotBytes: Number.MAX_SAFE_INTEGER, onNotice () {} }
  const store = await Store.start({ durability, ttlCheckIntervalMs: 0 })
  try {
    for (const { name, records, file } of buckets) {
      const found = await store.bucket(name).count()
      if (found === records) continue
      throw new Error(`${file}: ${records} records were written, and ${found} read back: check the disk`)
    }
  } finally {
    await store.stop()
  }
}

function freeName (directory: string): string {
  const name = 'before-import'
  for (let n = 1; ; n++) {
    const free = n === 1 ? name : `${name}-${n}`
    if (!existsSync(join(directory, free))) return free
  }
}

function reportOf (directory: string, into: string, plan: StagedPlan | undefined): ImportReport {
  const own = /^(store\.(json|mark|lock|torn|(\d{16}\.)?log)|snapshot\.\d{16}\.log)$/
  const left = readdirSync(directory, { withFileTypes: true })
    .filter(entry => !entry.isDirectory() && !own.test(entry.name)).map(({ name }) => name)
  const moved = new Set(into === directory ? [] : plan?.buckets.map(({ file }) => file))
  return {
    directory: into,
    store: plan?.store,
    buckets: plan?.buckets ?? [],
    setAside: plan?.setAside === undefined ? undefined : join(into, plan.setAside),
    left: left.filter(name => !moved.has(name)).sort()
  }
}

function removeEmpty (directory: string): void {
  try {
    rmdirSync(directory)
  } catch {}
}

function list (names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ')
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown
}
