import { randomUUID } from 'node:crypto'
import { fsync as fsyncOf } from 'node:fs'
import {
  access, open, readdir, readFile, rename, rm, unlink, type FileHandle
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { makeDirectory } from '@hamicek/noex-journal'

/** How a file is written. */
export interface WriteOptions {
  /** Write a temporary file and rename it, so that the file is always the old or the new one. */
  readonly atomic: boolean
  /** Wait until the disk has file and directory. */
  readonly fsync: boolean
}

/** Readable by the owner only: a state may hold anything. */
const FILE_MODE = 0o600

const TEMPORARY_NAME = /^~[0-9a-f-]{36}\.tmp$/

// Temporary files that this process is writing, by whichever adapter, are not stray.
const inProgress = new Set<string>()

/** Writes a file, and its directory if that is missing. */
export async function writeFileDurably (
  path: string,
  text: string,
  { atomic, fsync }: WriteOptions
): Promise<void> {
  const directory = dirname(path)
  makeDirectory(directory, 0o777)
  if (!atomic) {
    await writeText(path, 'w', text, fsync)
  } else {
    const temporary = join(directory, `~${randomUUID()}.tmp`)
    inProgress.add(temporary)
    try {
      await writeText(temporary, 'wx', text, fsync)
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    } finally {
      inProgress.delete(temporary)
    }
  }
  if (fsync) await syncDirectory(directory)
}

/** Reads a text file; `undefined` when there is none. */
export async function readIfPresent (path: string): Promise<string | undefined> {
  return ifPresent(() => readFile(path, 'utf8'))
}

/** Tells whether there is a file. */
export async function isPresent (path: string): Promise<boolean> {
  return await ifPresent(() => access(path).then(() => true)) ?? false
}

/** Deletes a file; false when there was none. */
export async function deleteIfPresent (path: string, fsync: boolean): Promise<boolean> {
  const deleted = await ifPresent(async () => {
    await unlink(path)
    return true
  })
  if (deleted && fsync) await syncDirectory(dirname(path))
  return deleted ?? false
}

/** Renames a damaged file to `*.corrupt-<milliseconds since 1970>`, so that nothing overwrites it. */
export async function setAside (path: string, fsync: boolean): Promise<void> {
  await rename(path, `${path}.corrupt-${Date.now()}`)
  if (fsync) await syncDirectory(dirname(path))
}

/** Lists the files of a directory; none when it is missing. */
export async function listFiles (directory: string): Promise<string[]> {
  return await ifPresent(() => readdir(directory)) ?? []
}

/** Deletes the temporary files that an interrupted process has left in a directory. */
export async function removeStrayFiles (directory: string): Promise<void> {
  for (const name of await listFiles(directory)) {
    const path = join(directory, name)
    if (TEMPORARY_NAME.test(name) && !inProgress.has(path)) await rm(path, { force: true })
  }
}

async function writeText (path: string, flags: string, text: string, fsync: boolean): Promise<void> {
  const file = await open(path, flags, FILE_MODE)
  try {
    await file.writeFile(text)
    if (fsync) await sync(file)
  } finally {
    await file.close()
  }
}

async function syncDirectory (directory: string): Promise<void> {
  // Windows neither opens directories nor needs to: its renames are journaled.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await sync(handle)
  } finally {
    await handle.close()
  }
}

/**
 * Waits until the disk has a file. Under Yarn's Plug'n'Play, handles throw that they have no `sync`, without
 * the code of a system error; under Node's permission model only handles may sync.
 */
async function sync (handle: FileHandle): Promise<void> {
  try {
    await handle.sync()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== undefined) throw error
    await promisify(fsyncOf)(handle.fd)
  }
}

async function ifPresent<T> (read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
