import type { Log } from '../util/log.js'
import type { SystemBucket, SystemRecords, User } from './records.js'

/**
 * What has changed. `userId`: for this user only. `rights`: who may do what, and not just whose session there
 * is.
 */
export interface DirectoryChange {
  readonly userId: string | undefined
  readonly rights: boolean
}

/** Acts on a change at once; what it returns is waited for before whoever made the change hears of it. */
export type DirectoryListener = (change: DirectoryChange) => void | Promise<void>

/** Whoever acts on changes of a directory. */
export class ChangeListeners {
  readonly #listeners = new Set<DirectoryListener>()
  readonly #acting = new Set<Promise<void>>()
  readonly #log: Log

  constructor (log: Log) {
    this.#log = log
  }

  /** Returns what takes the listener away again. */
  add (listener: DirectoryListener): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /**
   * Tells everybody of changes that were made in one step, as one. One that fails keeps nobody else from
   * being told.
   */
  tell (changes: readonly DirectoryChange[]): void {
    const [first] = changes
    if (first === undefined) return
    const change: DirectoryChange = {
      userId: changes.every(({ userId }) => userId === first.userId) ? first.userId : undefined,
      rights: changes.some(({ rights }) => rights)
    }
    for (const listener of this.#listeners) {
      const acting: Promise<void> = act(listener, change)
        .catch(
          (error: unknown) => { this.#log.error({ err: error }, 'a change of accounts was not followed') }
        )
        .finally(() => { this.#acting.delete(acting) })
      this.#acting.add(acting)
    }
  }

  /** Resolves when everybody has acted on what they were told so far. */
  async settled (): Promise<void> {
    await Promise.all(this.#acting)
  }
}

/** Acts before it returns, as far as the listener does. */
async function act (listener: DirectoryListener, change: DirectoryChange): Promise<void> {
  await listener(change)
}

/** That of records which may be any. */
export const everything: DirectoryChange = { userId: undefined, rights: true }

/** Whom a new or changed record concerns; `undefined`: nobody who is connected. */
export function changeBy (
  bucket: SystemBucket,
  record: SystemRecords[SystemBucket],
  earlier: SystemRecords[SystemBucket] | undefined
): DirectoryChange | undefined {
  if (bucket === '_sessions') return undefined
  if (bucket !== '_users') return { userId: undefined, rights: true }
  // A new account has no connections, and a new password is for the sessions to tell.
  const isSame = earlier === undefined || (earlier as User).enabled === (record as User).enabled
  return isSame ? undefined : { userId: record.id, rights: true }
}

/** Whom it concerns that a record is gone. */
export function endOf (bucket: SystemBucket, record: SystemRecords[SystemBucket]): DirectoryChange {
  if (bucket === '_sessions') return { userId: (record as SystemRecords['_sessions']).userId, rights: false }
  return { userId: bucket === '_users' ? record.id : undefined, rights: true }
}
