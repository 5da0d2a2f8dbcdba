import {
  LogRefusedError, type ChangeLog, type LogEntry, type OpenedLog, type StoreImage
} from '@hamicek/noex-store'
import type { Life } from './event-loop.js'
import { loop } from './globals.js'
import type { Random } from './random.js'

type LogBackups = NonNullable<ChangeLog['backups']>
type BackupHead = Parameters<LogBackups['create']>[1]

/** The disk of a store: what is on it outlives the process. */
export class Disk {
  epoch: string
  snapshot: StoreImage | undefined
  entries: LogEntry[] = []
  readonly backups = new Map<string, { readonly head: BackupHead, readonly image: StoreImage }>()
  /** Until when it refuses what is written, in milliseconds of the loop. */
  fullUntil = 0
  readonly #random: Random
  /** Called with each entry that has come to the disk. */
  readonly #onEntry: (entry: LogEntry) => void
  #epochs = 1

  constructor (random: Random, onEntry: (entry: LogEntry) => void) {
    this.#random = random
    this.#onEntry = onEntry
    this.epoch = 'epoch-1'
  }

  get revision (): number {
    return this.entries.at(-1)?.revision ?? this.snapshot?.revision ?? 0
  }

  /** Opens the log for a process. */
  open (life: Life): ChangeLog {
    return new SimulatedLog(this, life)
  }

  /** Waits as long as a write takes; the process may have ended then. */
  async wait (life: Life): Promise<void> {
    const delayMs = this.#random.chance(0.03) ? this.#random.next() * 80 : this.#random.next() * 2
    await new Promise<void>(resolve => { loop.after(delayMs, resolve, life) })
  }

  write (entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const kept = onDisk(entry)
      this.entries.push(kept)
      this.#onEntry(kept)
    }
  }

  /** Writes what was on its way when the process was killed: none of it, or a part. */
  writeOnKill (entries: readonly LogEntry[]): void {
    if (loop.now >= this.fullUntil) this.write(entries.slice(0, this.#random.below(entries.length + 1)))
  }

  /** Replaces what is up to a snapshot by the snapshot. */
  truncate (snapshot: StoreImage): void {
    this.snapshot = structuredClone(snapshot)
    this.entries = this.entries.filter(({ revision }) => revision > snapshot.revision)
  }

  /** Replaces everything by an image of earlier, from which another history goes on. */
  restore (image: StoreImage): void {
    this.epoch = `epoch-${++this.#epochs}`
    this.snapshot = structuredClone(image)
    this.entries = []
  }
}

/** Returns an entry as the lines of a log have it: without what is for this process alone. */
function onDisk ({ writer: _writer, ...entry }: LogEntry): LogEntry {
  const copy = structuredClone(entry)
  for (const change of copy.changes) Reflect.deleteProperty(change, 'place')
  return copy
}

/** The log of one process on a disk. */
class SimulatedLog implements ChangeLog {
  readonly keepsNotes = false
  readonly #disk: Disk
  readonly #life: Life

  constructor (disk: Disk, life: Life) {
    this.#disk = disk
    this.#life = life
  }

  async open (): Promise<OpenedLog> {
    await this.#disk.wait(this.#life)
    const { epoch, snapshot, entries } = this.#disk
    return structuredClone({ epoch, snapshot, tail: entries })
  }

  async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    const disk = this.#disk
    if (this.#life.isOver) return await new Promise<void>(() => {})
    const onKill = (): void => { disk.writeOnKill(entries) }
    this.#life.onEnd.add(onKill)
    await disk.wait(this.#life)
    this.#life.onEnd.delete(onKill)
    if (previousRevision !== disk.revision) {
      throw new LogRefusedError(`The log is at revision ${disk.revision}, not at ${previousRevision}`)
    }
    if (loop.now < disk.fullUntil) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    disk.write(entries)
    // The answer takes time too: a kill may come between.
    await disk.wait(this.#life)
  }

  async * tail (from: number): AsyncIterable<LogEntry> {
    for (const entry of this.#disk.entries) if (entry.revision > from) yield structuredClone(entry)
  }

  async truncate (snapshot: StoreImage): Promise<void> {
    this.#disk.truncate(snapshot)
  }

  async close (): Promise<void> {}

  readonly backups: LogBackups = {
    create: async (image, head) => {
      await this.#disk.wait(this.#life)
      this.#disk.backups.set(head.name, structuredClone({ head, image }))
    },
    list: async () => [...this.#disk.backups.values()].map(({ head }) => ({
      id: head.name,
      name: head.name,
      createdAt: head.createdAt,
      bucketNames: [...head.bucketNames],
      totalRecords: head.totalRecords
    })),
    read: async name => structuredClone(this.#disk.backups.get(name)?.image),
    delete: async name => this.#disk.backups.delete(name)
  }
}
