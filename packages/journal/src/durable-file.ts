import {
  chmodSync, closeSync, constants, fchmodSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync,
  lstatSync, mkdirSync, openSync, renameSync, statSync, writeSync
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { readBytes } from './file-scan.js'
import { onFile, onOpen, withPath } from './system-error.js'

/**
 * Whether Node's permission model is on, which forbids `fsync` and `fchmod`: files are opened so that the
 * system calls no write ended before the disk has it.
 */
const isRestricted = process.permission !== undefined

/**
 * A file that grows by whole pieces, each of which is on the disk before the next is begun. All calls are
 * synchronous.
 */
export class DurableFile {
  #path: string
  readonly #fd: number
  readonly #inode: number
  readonly #syncEach: boolean
  #size: number
  /** Bytes that the file had when it was opened, as long as they may not be on the disk. */
  #foundBytes: number
  #poisoned = false
  /** Whether the last attempt to add something has left a part of it, perhaps. */
  #isUnfinished = false

  /**
   * Opens or creates a file that only its owner can read; one that others can read becomes so. `syncEach`:
   * whether each piece waits for the disk.
   */
  constructor (path: string, syncEach: boolean) {
    this.#path = path
    this.#fd = onOpen(path, () => openSync(path, openFlags, 0o600))
    const stats = fstatSync(this.#fd)
    if (!stats.isFile()) {
      closeSync(this.#fd)
      throw new Error(`${path} is not a file: move it away`)
    }
    if ((stats.mode & 0o777) !== 0o600) {
      if (isRestricted) chmodSync(path, 0o600)
      else fchmodSync(this.#fd, 0o600)
    }
    this.#inode = stats.ino
    this.#size = stats.size
    this.#foundBytes = stats.size
    this.#syncEach = syncEach
  }

  /** Bytes that have been added, without those of a failed attempt. */
  get size (): number {
    return this.#size
  }

  /**
   * Whether a sync has failed. The system may have dropped what was to be written and would call the next
   * sync a success, so nothing may be added any more.
   */
  get poisoned (): boolean {
    return this.#poisoned
  }

  /**
   * Tells what others have done to the file: it is `gone` (removed or replaced: nothing under its name is
   * this file, or it is a link to it), `shorter` than what was added, or `longer`. `undefined`: as it was
   * left, as far as its name and size tell.
   */
  get change (): 'gone' | 'shorter' | 'longer' | undefined {
    const stats = lstatSync(this.#path, { throwIfNoEntry: false })
    if (stats?.ino !== this.#inode) return 'gone'
    if (stats.size < this.#size) return 'shorter'
    return stats.size > this.#size && !this.#isUnfinished && !this.#poisoned ? 'longer' : undefined
  }

  /**
   * Adds bytes, in writes of at most 4 MiB and with one sync. Throws when they are not on the disk; then
   * none of them counts, and unless `poisoned` they can be added again.
   */
  append (bytes: Uint8Array): void {
    this.#isUnfinished = true
    try {
      let written = 0
      while (written < bytes.length) written += this.#writeSome(bytes, written)
    } catch (error) {
      // Then the write was its own sync.
      if (isRestricted && (error as NodeJS.ErrnoException).code === 'EIO') this.#poisoned = true
      this.#cutQuietly()
      throw withPath(this.#path, error)
    }
    if (this.#syncEach) this.sync()
    this.#size += bytes.length
    this.#isUnfinished = false
  }

  /** Throws unless the disk has room for `bytes` more now. They are not kept. */
  probe (bytes: number): void {
    this.#isUnfinished = true
    try {
      const zeros = Buffer.alloc(bytes)
      onFile(this.#path, () => {
        for (let written = 0; written < bytes;) written += this.#writeSome(zeros, written)
      })
      if (this.#syncEach) this.sync()
    } finally {
      this.#cutQuietly()
    }
    this.#isUnfinished = false
  }

  /** Takes pieces behind `size` out of the file again, as far as the disk lets that happen. */
  takeBack (size: number): void {
    this.#size = size
    this.#isUnfinished = true
    this.#cutQuietly()
  }

  /** Takes a failed attempt out of the file again, as far as the disk lets that happen. */
  discard (): void {
    if (this.#isUnfinished || this.#poisoned) this.#cutQuietly()
  }

  /** Cuts off what lies behind `size`. */
  cut (size = this.#size): void {
    onFile(this.#path, () => { ftruncateSync(this.#fd, size) })
    this.#size = size
    if (this.#syncEach && !this.#poisoned) this.sync()
  }

  /** Waits until the disk has everything. */
  sync (): void {
    try {
      if (isRestricted) this.#writeAgain()
      else fdatasyncSync(this.#fd)
    } catch (error) {
      this.#poisoned = true
      throw withPath(this.#path, error)
    }
  }

  /** Gives the file another name, in place of a file that has it. */
  rename (path: string): void {
    renameSync(this.#path, path)
    this.#path = path
  }

  close (): void {
    closeSync(this.#fd)
  }

  /** Writes a part behind `size`. Returns how many bytes. */
  #writeSome (bytes: Uint8Array, from: number): number {
    const wanted = Math.min(bytes.length - from, MAX_WRITE_BYTES)
    const written = writeSync(this.#fd, bytes, from, wanted, this.#size + from)
    // A disk that takes nothing and reports nothing would be asked for ever.
    if (written <= 0) {
      throw new Error(`${this.#path}: the system has written 0 of ${wanted} bytes and reports no error`)
    }
    return written
  }

  /** Writes what was found in the file over itself, by which it is on the disk. */
  #writeAgain (): void {
    for (let at = 0; at < Math.min(this.#foundBytes, this.#size);) {
      const bytes = readBytes(this.#path, at, Math.min(at + MAX_WRITE_BYTES, this.#size))
      at += writeSync(this.#fd, bytes, 0, bytes.length, at)
    }
    this.#foundBytes = 0
  }

  /** Cuts off what was written in part; where that fails, the next attempt overwrites it. */
  #cutQuietly (): void {
    try {
      ftruncateSync(this.#fd, this.#size)
    } catch {}
  }
}

/** Never through a symbolic link that others have put there, and without waiting where it is a pipe. */
const openFlags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0) |
  (constants.O_NONBLOCK ?? 0) | (isRestricted ? constants.O_DSYNC ?? 0 : 0)

/** Bytes of one system call. */
const MAX_WRITE_BYTES = 4_194_304

/** Makes new, renamed and removed names of a directory durable. */
export function syncDirectory (path: string): void {
  // Windows cannot open a directory, and needs no sync for it.
  if (process.platform === 'win32') return
  // Where it is forbidden, a file's first write has to bring its name with it: ext4, xfs and btrfs do that.
  if (isRestricted) return
  const fd = openSync(path, 'r')
  try {
    onFile(path, () => { fsyncSync(fd) })
  } finally {
    closeSync(fd)
  }
}

/**
 * Makes a directory, and those above it that are missing. Returns the outermost one that was made. Node's own
 * way to do so does not end where a file system knows no new names, as that of `/proc`.
 */
function makeMissing (path: string, mode: number): string | undefined {
  try {
    mkdirSync(path, { mode })
    return path
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(path).isDirectory()) return undefined
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path) throw error
    const outermost = makeMissing(parent, mode)
    mkdirSync(path, { mode })
    return outermost ?? path
  }
}

/**
 * Makes a directory, by default for its owner only, with those above it that are missing, durably. Returns
 * the outermost one that was made; `undefined` where none was.
 * @throws naming the path and the remedy
 */
export function makeDirectory (path: string, mode = 0o700): string | undefined {
  const outermost = attemptMaking(resolve(path), mode)
  if (outermost === undefined) return undefined
  // A new directory is a name in the one above it.
  const end = dirname(outermost)
  for (let made = resolve(path); made !== end && made !== dirname(made); made = dirname(made)) {
    syncDirectory(dirname(made))
  }
  return outermost
}

function attemptMaking (path: string, mode: number): string | undefined {
  try {
    return makeMissing(path, mode)
  } catch (error) {
    throw withPath(path, error, 'cannot be made: name a directory where this process may write')
  }
}
