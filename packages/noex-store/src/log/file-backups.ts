import { KeyQueue } from '../storage/key-queue.js'
import type { BackupInfo } from '../types/persistence.js'
import type { BackupCall, BackupPart, BackupPlace } from './backup-files.js'
import type { BackupHead, LogBackups, StoreImage } from './change-log.js'
import { ImageReader, linesOfImage } from './image-lines.js'
import { inSlices, sendLines } from './line-slices.js'
import { MAX_LINE_BYTES } from './log-format.js'

/** The backups in the directory of a log, written and read in its thread, in parts. */
export class FileBackups implements LogBackups {
  readonly #call: (call: BackupCall) => Promise<unknown>
  /** One is written at a time. */
  readonly #queue = new KeyQueue()

  constructor (call: (call: BackupCall) => Promise<unknown>) {
    this.#call = call
  }

  async create (image: StoreImage, head: BackupHead): Promise<void> {
    await this.#queue.run('', async () => {
      await this.#call({ type: 'begin', head })
      try {
        await sendLines(linesOfImage(image), async lines => { await this.#call({ type: 'add', lines }) })
        await this.#call({ type: 'end' })
      } catch (error) {
        await this.#call({ type: 'drop' }).catch(() => {})
        throw error
      }
    })
  }

  async list (): Promise<BackupInfo[]> {
    return await this.#call({ type: 'list' }) as BackupInfo[]
  }

  /** @throws when it is damaged, or too big for the one commit that a store restores it by */
  async read (name: string): Promise<StoreImage | undefined> {
    const bytes = await this.#call({ type: 'check', name }) as number | undefined
    if (bytes === undefined) return undefined
    if (bytes > MAX_LINE_BYTES) {
      throw new Error(`Backup "${name}" has ${bytes} bytes, and one commit ${MAX_LINE_BYTES} at most: ` +
        'stop the store, and make its directory anew by npx fastify-noex restore')
    }
    const reader = new ImageReader()
    let from: BackupPlace | undefined
    do {
      const { lines, next } = await this.#call({ type: 'read', name, from }) as BackupPart
      await inSlices(lines, line => { reader.add(line) })
      from = next
    } while (from !== undefined)
    return reader.end()
  }

  async delete (name: string): Promise<boolean> {
    return await this.#call({ type: 'delete', name }) as boolean
  }
}
