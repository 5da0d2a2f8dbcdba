import { closeSync, constants, fchmodSync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs'

/** A file that grows by whole pieces, each of which is on the disk before the next is begun. All calls are synchronous. */
export class DurableFile {
  readonly #path: string
  readonly #fd: number
  readonly #inode: number
  readonly #syncEach: boolean
  #size: number
  #poisoned = false

  /** Opens or creates a file that only its owner can read; one that others can read becomes so. `syncEach`: whether each piece waits for the disk. */
  constructor (path: string, syncEach: boolean) {
    this.#path = path
    this.#fd = openSync(path, openFlags, 0o600)
    const stats = fstatSync(this.#fd)
    if (!stats.isFile()) {
      closeSync(this.#fd)
      throw new Error(`${path} is not a file`)
    }
    if ((stats.mode & 0o777) !== 0o600) fchmodSync(this.#fd, 0o600)
    this.#inode = stats.ino
    this.#size = stats.size
    this.#syncEach = syncEach
  }

  /** Bytes that have been added, without those of a failed attempt. */
  get size (): number {
    return this.#size
  }

  /**
   * Whether a sync has failed. The system may have dropped what was to be written and would call the next sync a success,
   * so nothing may be added any more.
   */
  get poisoned (): boolean {
    return this.#poisoned
  }

  /** Whether the file is not to be found under its name any more: somebody has removed or replaced it, and what is added goes with it. */
  get isGone (): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode
  }

  /** Adds bytes. Throws when they are not on the disk; then none of them counts, and unless `poisoned` they can be added again. */
  append (bytes: Uint8Array): void {
    try {
      let written = 0
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written, bytes.length - written, this.#size + written)
    } catch (error) {
      this.#cutQuietly()
      throw error
    }
    if (this.#syncEach) this.sync()
    this.#size += bytes.length
  }

  /** Cuts off what lies behind `size`. */
  cut (size = this.#size): void {
    ftruncateSync(this.#fd, size)
    this.#size = size
    if (this.#syncEach && !this.#poisoned) this.sync()
  }

  /** Waits until the disk has everything. */
  sync (): void {
    try {
      fdatasyncSync(this.#fd)
    } catch (error) {
      this.#poisoned = true
      throw error
    }
  }

  close (): void {
    closeSync(this.#fd)
  }

  /** What was written in part is overwritten by the next attempt anyway. */
  #cutQuietly (): void {
    try {
      ftruncateSync(this.#fd, this.#size)
    } catch {}
  }
}

/** Never through a symbolic link that somebody has put there, and without waiting where it is a pipe. */
const openFlags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Makes new, renamed and removed names of a directory durable. */
export function syncDirectory (path: string): void {
  // Windows cannot open a directory, and needs no sync for it.
  if (process.platform === 'win32') return
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
