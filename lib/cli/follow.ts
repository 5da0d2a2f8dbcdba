import { watch } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LineSplitter } from '@hamicek/noex-journal'
import { findSegments, readItems, toItem, type TrailItem } from '../audit/file/trail-reader.js'
import { MAX_LINE_BYTES } from '../audit/file/trail-lines.js'

/** File systems that tell no changes are looked at this often. */
const POLL_MS = 1_000

/**
 * Yields what a trail gets after entry `lastSeq`, until `signal` is aborted. `file` is the current segment,
 * which may be closed and begun anew meanwhile.
 */
export async function * followTrail (
  file: string,
  lastSeq: number,
  signal: AbortSignal
): AsyncGenerator<TrailItem, void, undefined> {
  const changes = new Changes(dirname(file), signal)
  const news = new News(lastSeq)
  try {
    while (!signal.aborted) {
      // Opened before the closed segments are read: what is closed from now on is still read through this.
      const current = await CurrentSegment.open(file)
      try {
        for await (const item of closedItems(file, news.lastSeq)) {
          if (news.has(item)) yield item
        }
        if (current === undefined) {
          await changes.next()
          continue
        }
        for await (const item of current.items(changes, signal)) {
          if (news.has(item)) yield item
        }
      } finally {
        await current?.close()
      }
    }
  } finally {
    changes.close()
  }
}

/** The lines of the closed segments that may go beyond `lastSeq`. */
async function * closedItems (file: string, lastSeq: number): AsyncGenerator<TrailItem, void, undefined> {
  const segments = await findSegments([file]).catch(unlessMissing)
  for (const [i, segment] of (segments ?? []).entries()) {
    const next = segments?.[i + 1]?.firstSeq
    if (segment.file === file || (next !== undefined && next <= lastSeq + 1)) continue
    try {
      yield * readItems(segment.file)
    } catch (error) {
      // Old segments are removed.
      unlessMissing(error as NodeJS.ErrnoException)
    }
  }
}

function unlessMissing (error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** Tells lines that are new from those that have been shown. Bad lines go with the entries before them. */
class News {
  #lastSeq: number
  #isNew: boolean

  constructor (lastSeq: number) {
    this.#lastSeq = lastSeq
    this.#isNew = lastSeq === 0
  }

  get lastSeq (): number {
    return this.#lastSeq
  }

  has ({ entry }: TrailItem): boolean {
    if (entry === undefined) return this.#isNew
    const isNew = entry.seq > this.#lastSeq
    this.#isNew = entry.seq >= this.#lastSeq
    if (isNew) this.#lastSeq = entry.seq
    return isNew
  }
}

/** The segment that is written to, read as it grows. */
class CurrentSegment {
  readonly #file: string
  readonly #handle: FileHandle
  #position = 0
  #line = 0

  private constructor (file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  /** `undefined` when there is none: one has been closed, and the next is not there yet. */
  static async open (file: string): Promise<CurrentSegment | undefined> {
    const handle = await open(file, 'r').catch(unlessMissing)
    return handle && new CurrentSegment(file, handle)
  }

  /** Its lines, also those that are still to come; until another segment has its name. */
  async * items (changes: Changes, signal: AbortSignal): AsyncGenerator<TrailItem, void, undefined> {
    while (!signal.aborted) {
      // Asked before reading: what was written to it until it was replaced must not be missed.
      const replaced = await this.#isReplaced()
      yield * this.#newItems()
      if (replaced) return
      await changes.next()
    }
  }

  async #isReplaced (): Promise<boolean> {
    const [own, named] = await Promise.all([this.#handle.stat(), stat(this.#file).catch(unlessMissing)])
    return named !== undefined && (named.ino !== own.ino || named.dev !== own.dev)
  }

  /** The lines that have ended since the last call. */
  async * #newItems (): AsyncGenerator<TrailItem, void, undefined> {
    const splitter = new LineSplitter(MAX_LINE_BYTES)
    let bytesRead = 0
    do {
      const chunk = await this.#handle.read(
        Buffer.allocUnsafeSlow(MAX_LINE_BYTES),
        0,
        MAX_LINE_BYTES,
        this.#position
      )
      bytesRead = chunk.bytesRead
      this.#position += bytesRead
      for (const raw of splitter.push(chunk.buffer.subarray(0, bytesRead))) {
        yield toItem(this.#file, ++this.#line, raw)
      }
    } while (bytesRead === MAX_LINE_BYTES)
    // A line that has not ended is read again: a writer that starts cuts off what another one has left
    // unfinished.
    this.#position -= splitter.pendingBytes
  }

  async close (): Promise<void> {
    await this.#handle.close()
  }
}

/** Tells when a directory may have changed. */
class Changes {
  readonly #stop: () => void
  #changed = false
  #wake: (() => void) | undefined

  constructor (directory: string, signal: AbortSignal) {
    const tell = (): void => {
      this.#changed = true
      this.#wake?.()
    }
    const timer = setInterval(tell, POLL_MS)
    signal.addEventListener('abort', tell)
    const watcher = startWatching(directory, tell)
    this.#stop = () => {
      clearInterval(timer)
      signal.removeEventListener('abort', tell)
      watcher?.close()
    }
  }

  /** Resolves when there may have been a change since it last did. */
  async next (): Promise<void> {
    if (!this.#changed) await new Promise<void>(resolve => { this.#wake = resolve })
    this.#changed = false
  }

  close (): void {
    this.#stop()
  }
}

function startWatching (directory: string, tell: () => void): { close: () => void } | undefined {
  try {
    const watcher = watch(directory, tell)
    // The clock looks on.
    watcher.on('error', () => { watcher.close() })
    return watcher
  } catch {
    return undefined
  }
}
