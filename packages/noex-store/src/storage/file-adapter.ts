import { join, resolve } from 'node:path'
import type { PersistedState, StorageAdapter } from './adapter.js'
import {
  deleteIfPresent, isPresent, listFiles, readIfPresent, removeStrayFiles, setAside, writeFileDurably,
  type WriteOptions
} from './durable-file.js'
import {
  ChecksumMismatchError, CorruptedStateError, StorageError, toError, type StorageOperation
} from './errors.js'
import { isHashedStem, keyOf, stemOf } from './file-name.js'
import { KeyQueue } from './key-queue.js'
import { makeSerializer, type StateSerializer } from './serializer.js'
import { composeDocument, keyOfDocument, parseDocument } from './state-document.js'

/** How a file adapter stores. */
export interface FileAdapterOptions {
  /** Where the files are; made when the first state is saved. For one process at a time. */
  readonly directory: string
  /** The end of each file name. Defaults to `.json`. */
  readonly extension?: string
  /** Indent the files for human readers. Defaults to false. */
  readonly prettyPrint?: boolean
  /** Write a SHA-256 of the content into each file, and verify it on load. Defaults to true. */
  readonly checksums?: boolean
  /** Write a temporary file, then rename it. Defaults to true. */
  readonly atomicWrites?: boolean
  /** Resolve a save only when the disk has it. Defaults to true. */
  readonly fsync?: boolean
}

interface QueuedSave {
  text: string
  readonly saved: Promise<void>
}

/**
 * Keeps each state in a JSON file of its own.
 *
 * A save replaces the file as a whole, so a crash leaves the old state or the new one. The operations
 * on one key take effect in the order in which they were begun; of several saves that wait for an
 * earlier one, only the newest is written. A file that cannot be read as the state of its key is
 * renamed to `*.corrupt-<milliseconds since 1970>` before the load rejects, so the next save does not
 * overwrite it.
 *
 * Values keep their types as described at `StateSerializer`. I/O and serialization failures reject
 * with `StorageError`, a damaged file with `ChecksumMismatchError` or `CorruptedStateError`.
 */
export class FileAdapter implements StorageAdapter {
  readonly #configuredDirectory: string
  readonly #directory: string
  readonly #extension: string
  readonly #checksums: boolean
  readonly #write: WriteOptions
  readonly #serializer: StateSerializer
  readonly #queue = new KeyQueue()
  /** Saves that are the last in the queue of their key and have not begun. */
  readonly #queuedSaves = new Map<string, QueuedSave>()

  /** Throws a TypeError for an extension that would lead out of the directory. */
  constructor ({
    directory,
    extension = '.json',
    prettyPrint = false,
    checksums = true,
    atomicWrites = true,
    fsync = true
  }: FileAdapterOptions) {
    if (/[/\\\0]/.test(extension)) {
      throw new TypeError('FileAdapter: extension must be a file name ending')
    }
    this.#configuredDirectory = directory
    this.#directory = resolve(directory)
    this.#extension = extension
    this.#checksums = checksums
    this.#write = { atomic: atomicWrites, fsync }
    this.#serializer = makeSerializer(prettyPrint ? 2 : 0)
  }

  /** Gives the directory as it was configured. */
  getDirectory (): string {
    return this.#configuredDirectory
  }

  /** Saves a state as it is now; what happens to it afterwards does not matter. */
  save (key: string, data: PersistedState<unknown>): Promise<void> {
    return attempt('save', async () => {
      const text = composeDocument(this.#serializer, key, data, this.#checksums)
      const queued = this.#queuedSaves.get(key)
      if (queued === undefined) return this.#enqueueSave(key, text)
      queued.text = text
      return queued.saved
    })
  }

  /** Loads a state; `undefined` when there is none. */
  load<T> (key: string): Promise<PersistedState<T> | undefined> {
    return this.#inTurn('load', key, async path => {
      const text = await readIfPresent(path)
      if (text === undefined) return undefined
      try {
        return this.#parse<T>(key, text)
      } catch (error) {
        // The damage is what the caller must hear of, also when the file cannot be renamed.
        await setAside(path, this.#write.fsync).catch(() => {})
        throw error
      }
    })
  }

  /** Deletes a state; false when there was none. */
  delete (key: string): Promise<boolean> {
    return this.#inTurn('delete', key, path => deleteIfPresent(path, this.#write.fsync))
  }

  /** Tells whether there is a state, readable or not. */
  exists (key: string): Promise<boolean> {
    return this.#inTurn('exists', key, isPresent)
  }

  /** Lists the keys that begin with `prefix`, in the order of their characters. */
  listKeys (prefix = ''): Promise<readonly string[]> {
    return attempt('listKeys', async () => {
      const keys = await this.#listKeys()
      return keys.filter(key => key.startsWith(prefix)).sort()
    })
  }

  /** Deletes the states saved longer than `maxAgeMs` ago, and counts them. Skips damaged files. */
  cleanup (maxAgeMs: number): Promise<number> {
    return attempt('cleanup', async () => {
      let deleted = 0
      for (const key of await this.#listKeys()) {
        if (await this.#deleteIfOlder(key, maxAgeMs)) deleted++
      }
      return deleted
    })
  }

  /**
   * Waits for what is under way and removes temporary files that a crash has left.
   * The adapter can be used again, and closed again.
   */
  close (): Promise<void> {
    return attempt('close', async () => {
      await this.#queue.idle()
      // Only tidying up: a store that stops must not be held by it.
      await removeStrayFiles(this.#directory).catch(() => {})
    })
  }

  #enqueueSave (key: string, text: string): Promise<void> {
    const saved = this.#queue.run(key, () => {
      if (this.#queuedSaves.get(key) === save) this.#queuedSaves.delete(key)
      return writeFileDurably(this.#pathOf(key), save.text, this.#write)
    })
    const save: QueuedSave = { text, saved }
    this.#queuedSaves.set(key, save)
    return saved
  }

  #inTurn<T> (operation: StorageOperation, key: string, work: (path: string) => Promise<T>): Promise<T> {
    // A later save must not slip in front of this.
    this.#queuedSaves.delete(key)
    return this.#queue.run(key, () => attempt(operation, () => work(this.#pathOf(key))))
  }

  #deleteIfOlder (key: string, maxAgeMs: number): Promise<boolean> {
    return this.#inTurn('cleanup', key, async path => {
      const text = await readIfPresent(path)
      if (text === undefined) return false
      try {
        const { metadata } = this.#parse(key, text)
        if (Date.now() - metadata.persistedAt <= maxAgeMs) return false
      } catch {
        // The caller that loads it is told.
        return false
      }
      return deleteIfPresent(path, this.#write.fsync)
    })
  }

  #parse<T> (key: string, text: string): PersistedState<T> {
    return parseDocument<T>(this.#serializer, key, text, this.#checksums)
  }

  async #listKeys (): Promise<string[]> {
    const keys: string[] = []
    for (const name of await listFiles(this.#directory)) {
      if (!name.endsWith(this.#extension)) continue
      const stem = name.slice(0, name.length - this.#extension.length)
      const key = isHashedStem(stem) ? await this.#readKey(stem) : keyOf(stem)
      if (key !== undefined) keys.push(key)
    }
    return keys
  }

  async #readKey (stem: string): Promise<string | undefined> {
    const text = await readIfPresent(join(this.#directory, stem + this.#extension))
    const key = text === undefined ? undefined : keyOfDocument(text)
    return key !== undefined && stemOf(key) === stem ? key : undefined
  }

  #pathOf (key: string): string {
    return join(this.#directory, stemOf(key) + this.#extension)
  }
}

async function attempt<T> (operation: StorageOperation, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isTelling = error instanceof StorageError ||
      error instanceof CorruptedStateError || error instanceof ChecksumMismatchError
    if (isTelling) throw error
    const cause = toError(error)
    throw new StorageError(operation, `FileAdapter could not ${operation}: ${cause.message}`, cause)
  }
}
