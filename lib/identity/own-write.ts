import type { DirectoryChange } from './followers.js'
import type { SystemBucket } from './records.js'

/** Time in which the store surely tells of a change that it has made, in milliseconds. */
const PATIENCE_MS = 5_000

/** Something that the directory itself writes: the events that are still to come, and what those before have changed. */
export class OwnWrite {
  readonly #awaited = new Set<string>()
  #changes: DirectoryChange[] = []
  #completed: () => void = () => {}

  /** The store will tell of this record. */
  expect (bucket: SystemBucket, id: unknown): void {
    this.#awaited.add(eventKey(bucket, id))
  }

  /** Whether the store has told of everything. */
  get isComplete (): boolean {
    return this.#awaited.size === 0
  }

  /** Takes note of an event. Returns `false`, and does nothing, when it is that of another write. */
  saw (bucket: SystemBucket, id: unknown, change: DirectoryChange | undefined): boolean {
    if (!this.#awaited.delete(eventKey(bucket, id))) return false
    if (change !== undefined) this.#changes.push(change)
    if (this.isComplete) this.#completed()
    return true
  }

  /** The changes that nobody has been told of yet. */
  takeChanges (): DirectoryChange[] {
    const changes = this.#changes
    this.#changes = []
    return changes
  }

  /** Resolves when the store has told of everything. Our kernel tells of a change while it makes it; another one may do so a little later. */
  async completed (): Promise<void> {
    if (this.isComplete) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => { reject(new Error('the store has not told of a change to a system bucket')) }, PATIENCE_MS).unref()
      this.#completed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function eventKey (bucket: SystemBucket, id: unknown): string {
  return `${bucket} ${String(id)}`
}
