import type { Test } from 'tap'
import {
  Store, StoreUnavailableError, type BucketDefinition, type Commit, type StoreOptions
} from '../../src/index.js'

/** A clock that a test turns by hand. */
export class FakeClock {
  time = 1_700_000_000_000

  readonly now = (): number => this.time
}

/** Starts a store that ends with the test. */
export async function startStore (t: Test, options: StoreOptions = {}): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0, ...options })
  t.teardown(async () => { await stopStore(store) })
  return store
}

/** Stops a store, also one whose log refuses at the end: it rejects then, but has stopped. */
export async function stopStore (store: Store): Promise<void> {
  await store.stop().catch((error: unknown) => {
    if (!(error instanceof StoreUnavailableError)) throw error
  })
}

export const users: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string', required: true },
    name: { type: 'string' },
    email: { type: 'string', unique: true },
    age: { type: 'number' },
    role: { type: 'string', default: 'user' },
    born: { type: 'date' },
    extra: { type: 'object' }
  },
  indexes: ['role', 'age', 'born']
}

/** Resolves with what a promise rejects with. */
export async function rejection (promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('The promise did not reject')
}

/** Resolves with the number of turns of the event loop that others have had while `work` was done. */
export async function turnsDuring (work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let waiting = setImmediate(function next () {
    turns++
    waiting = setImmediate(next)
  })
  try {
    await work()
  } finally {
    clearImmediate(waiting)
  }
  return turns
}

/** Returns a list of what a store tells of its commits from now on. */
export function commitsOf (store: Store): Commit[] {
  const commits: Commit[] = []
  store.onCommit(commit => { commits.push(commit) })
  return commits
}
