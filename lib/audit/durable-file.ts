import { closeSync, constants, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'

/** A file that grows by whole pieces, each of which is on the disk before the next is begun. All calls are synchronous. */
export class DurableFile {
  readonly #fd: number
  readonly #sync: boolean
  #size: number
  #poisoned = false

  /** Opens or creates a file that only its owner can read. `sync`: whether to wait for the disk. */
  constructor (path: string, sync: boolean) {
    this.#fd = openSync(path, openFlags, 0o600)
    this.#size = fstatSync(this.#fd).size
    this.#sync = sync
  }

  /** Bytes that are on the disk. */
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

  /** Adds bytes. Throws when they are not on the disk; then none of them counts, and unless `poisoned` they can be added again. */
  append (bytes: Uint8Array): void {
    try {
      let written = 0
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written, bytes.length - written, this.#size + written)
    } catch (error) {
      this.#cutQuietly()
      throw error
    }
    this.#flush()
    this.#size += bytes.length
  }

  /** Cuts off what lies behind `size`. */
  cut (size = this.#size): void {
    ftruncateSync(this.#fd, size)
    this.#size = size
    if (!this.#poisoned) this.#flush()
  }

  close (): void {
    closeSync(this.#fd)
  }

  #flush (): void {
    if (!this.#sync) return
    try {
      fdatasyncSync(this.#fd)
    } catch (error) {
      this.#poisoned = true
      throw error
    }
  }

  /** What was written in part is overwritten by the next attempt anyway. */
  #cutQuietly (): void {
    try {
      ftruncateSync(this.#fd, this.#size)
    } catch {}
  }
}

/** Read and write, create, never through a symbolic link that somebody has put there. */
const openFlags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)

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
