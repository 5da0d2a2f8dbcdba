import type { Log } from '../util/log.js'
import type { SystemBucket, SystemRecords, User } from './records.js'

/** A change of users, sessions or rights. */
export interface DirectoryChange {
  /** The only user that the change concerns; `undefined`: any. */
  readonly userId: string | undefined
  /** Whether permissions may have changed, and not only which sessions exist. */
  readonly rights: boolean
}

/** Acts on a change at once; the change is reported as made when the promise that it returns has settled. */
export type DirectoryListener = (change: DirectoryChange) => void | Promise<void>

/** Calls listeners at changes of a directory. */
export class ChangeListeners {
  readonly #listeners = new Set<DirectoryListener>()
  readonly #acting = new Set<Promise<void>>()
  readonly #log: Log

  constructor (log: Log) {
    this.#log = log
  }

  /** Adds a listener. Returns a function that removes it. */
  add (listener: DirectoryListener): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /**
   * Calls every listener once for changes that were made in one step. The failure of a listener is logged,
   * and the others are still called.
   */
  notify (changes: readonly DirectoryChange[]): void {
    const [first] = changes
    if (first === undefined) return
    const change: DirectoryChange = {
      userId: changes.every(({ userId }) => userId === first.userId) ? first.userId : undefined,
      rights: changes.some(({ rights }) => rights)
    }
    for (const listener of this.#listeners) {
      const acting: Promise<void> = call(listener, change)
        .catch((error: unknown) => {
          this.#log.error({ err: error }, 'a change of accounts could not be applied to connections')
        })
        .finally(() => { this.#acting.delete(acting) })
      this.#acting.add(acting)
    }
  }

  /** Resolves when all listeners that were called so far are done. */
  async settled (): Promise<void> {
    await Promise.all(this.#acting)
  }
}

/** Runs the synchronous part of the listener before it returns, and makes its throw a rejection. */
async function call (listener: DirectoryListener, change: DirectoryChange): Promise<void> {
  await listener(change)
}

/** A change that may concern any user and any right. */
export const everything: DirectoryChange = { userId: undefined, rights: true }

/** Returns the change that a new or changed record means; `undefined`: none for open connections. */
export function changeBy (
  bucket: SystemBucket,
  record: SystemRecords[SystemBucket],
  earlier: SystemRecords[SystemBucket] | undefined
): DirectoryChange | undefined {
  if (bucket === '_sessions') return undefined
  if (bucket !== '_users') return { userId: undefined, rights: true }
  // A new account has no connections, and a new password ends sessions, which are records of their own.
  const isSame = earlier === undefined || (earlier as User).enabled === (record as User).enabled
  return isSame ? undefined : { userId: record.id, rights: true }
}

/** Returns the change that the removal of a record means. */
export function removalOf (bucket: SystemBucket, record: SystemRecords[SystemBucket]): DirectoryChange {
  if (bucket === '_sessions') return { userId: (record as SystemRecords['_sessions']).userId, rights: false }
  return { userId: bucket === '_users' ? record.id : undefined, rights: true }
}
