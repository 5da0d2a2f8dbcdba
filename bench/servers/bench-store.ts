import { Store, type BucketDefinition, type StoreOptions } from '@hamicek/noex-store'
import { BOARD_ROWS, inputOf, keyOf, LISTS, listName, USERS } from '../workload/records.js'

/** A store with a schema of the usual kind, and how often its live query was evaluated. */
export interface BenchStore {
  readonly store: Store
  readonly evaluations: () => number
}

const users: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string', generated: 'uuid' },
    name: { type: 'string', required: true, minLength: 1, maxLength: 100 },
    email: { type: 'string', required: true, maxLength: 200 },
    score: { type: 'number', min: 0 },
    active: { type: 'boolean', required: true }
  }
}

/** Starts the store that every noex server of the benchmarks serves. */
export async function startBenchStore (options: StoreOptions = {}): Promise<BenchStore> {
  const store = await Store.start({ name: 'bench', ...options })
  const lists = LISTS.map(rows => [listName(rows), rows] as const)
  for (const [bucket, size] of [['users', USERS], ['board', BOARD_ROWS], ...lists] as const) {
    await store.defineBucket(bucket, users)
    await store
      .bucket(bucket)
      .insertMany(Array.from({ length: size }, (_, i) => ({ ...inputOf(i), id: keyOf(i) })))
  }
  for (const [list] of lists) store.defineDeclarativeQuery(list, { bucket: list })
  let evaluations = 0
  store.defineQuery('board', async context => {
    evaluations++
    return await context.bucket('board').all()
  })
  return { store, evaluations: () => evaluations }
}
