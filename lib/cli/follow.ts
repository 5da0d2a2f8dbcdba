import { watch } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LineSplitter } from '@hamicek/noex-journal'
import { MAX_LINE_BYTES } from '../audit/chain/chain.js'
import { findSegments } from '../audit/file/segments.js'
import { readItems, toItem, type TrailItem } from '../audit/file/trail-reader.js'

/** Milliseconds between checks, for file systems that report no changes. */
const POLL_MS = 1_000

/**
 * Yields the lines of a trail after entry `lastSeq`, also those that are still to come, until `signal` is
 * aborted. `file` is the current segment; it may be closed and replaced meanwhile.
 */
export async function * followTrail (
  file: string,
  lastSeq: number,
  signal: AbortSignal
): AsyncGenerator<TrailItem, void, undefined> {
  const changes = new DirectoryChanges(dirname(file), signal)
  const unseen = new UnseenLines(lastSeq)
  try {
    while (!signal.aborted) {
      // Opened before the closed segments are read: if it is closed from now on, the handle still reads it.
      const current = await CurrentSegment.open(file)
      try {
        for await (const item of closedItems(file, unseen.lastSeq)) {
          if (unseen.accepts(item)) yield item
        }
        if (current === undefined) {
          await changes.next()
          continue
        }
        for await (const item of current.items(changes, signal)) {
          if (unseen.accepts(item)) yield item
        }
      } finally {
        await current?.close()
      }
    }
  } finally {
    changes.close()
  }
}

/** Yields the lines of the closed segments that may have entries after `lastSeq`. */
async function * closedItems (file: string, lastSeq: number): AsyncGenerator<TrailItem, void, undefined> {
  const segments = await findSegments([file]).catch(unlessMissing)
  for (const [i, segment] of (segments ?? []).entries()) {
    const next = segments?.[i + 1]?.firstSeq
    if (segment.file === file || (next !== undefined && next <= lastSeq + 1)) continue
    try {
      yield * readItems(segment.file)
    } catch (error) {
      // The segment may have been removed meanwhile.
      unlessMissing(error as NodeJS.ErrnoException)
    }
  }
}

function unlessMissing (error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** Selects lines that were not shown yet. A bad line is treated like the entry before it. */
class UnseenLines {
  #lastSeq: number
  #isNew: boolean

  constructor (lastSeq: number) {
    this.#lastSeq = lastSeq
    this.#isNew = lastSeq === 0
  }

  get lastSeq (): number {
    return this.#lastSeq
  }

  /** Returns whether a line is new. */
  accepts ({ entry }: TrailItem): boolean {
    if (entry === undefined) return this.#isNew
    const isNew = entry.seq > this.#lastSeq
    this.#isNew = entry.seq >= this.#lastSeq
    if (isNew) this.#lastSeq = entry.seq
    return isNew
  }
}

/** Reads the current segment as it grows. */
class CurrentSegment {
  readonly #file: string
  readonly #handle: FileHandle
  #position = 0
  #line = 0

  private constructor (file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  /** Opens the file; `undefined` while it is missing, between two segments. */
  static async open (file: string): Promise<CurrentSegment | undefined> {
    const handle = await open(file, 'r').catch(unlessMissing)
    return handle && new CurrentSegment(file, handle)
  }

  /** Yields its lines, also those that are still to come, until another segment replaces it. */
  async * items (changes: DirectoryChanges, signal: AbortSignal): AsyncGenerator<TrailItem, void, undefined> {
    while (!signal.aborted) {
      // Checked before reading, so that the last lines before the replacement are read.
      const isReplaced = await this.#isReplaced()
      yield * this.#newItems()
      if (isReplaced) return
      await changes.next()
    }
  }

  async #isReplaced (): Promise<boolean> {
    const [own, named] = await Promise.all([this.#handle.stat(), stat(this.#file).catch(unlessMissing)])
    return named !== undefined && (named.ino !== own.ino || named.dev !== own.dev)
  }

  /** Yields the lines that were completed since the last call. */
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
    // An incomplete line is read again: a writer that starts may cut it off.
    this.#position -= splitter.pendingBytes
  }

  async close (): Promise<void> {
    await this.#handle.close()
  }
}

/** Reports changes of a directory. */
class DirectoryChanges {
  readonly #stop: () => void
  #changed = false
  #wake: (() => void) | undefined

  constructor (directory: string, signal: AbortSignal) {
    const notify = (): void => {
      this.#changed = true
      this.#wake?.()
    }
    const timer = setInterval(notify, POLL_MS)
    signal.addEventListener('abort', notify)
    const watcher = startWatching(directory, notify)
    this.#stop = () => {
      clearInterval(timer)
      signal.removeEventListener('abort', notify)
      watcher?.close()
    }
  }

  /** Resolves when there may have been a change since the last call. */
  async next (): Promise<void> {
    if (!this.#changed) await new Promise<void>(resolve => { this.#wake = resolve })
    this.#changed = false
  }

  close (): void {
    this.#stop()
  }
}

function startWatching (directory: string, notify: () => void): { close: () => void } | undefined {
  try {
    const watcher = watch(directory, notify)
    // The timer keeps checking.
    watcher.on('error', () => { watcher.close() })
    return watcher
  } catch {
    return undefined
  }
}
