import { readdir } from 'node:fs/promises'
import { FileAdapter, Store } from 'fastify-noex/store'
import { buckets, defineQueries } from './model.js'
import { seed } from './seed.js'

export interface OrderStoreOptions {
  /** Where the data is kept, one file for each bucket. For one process at a time. */
  readonly directory: string
  /** Hears of a save that has failed while the store runs; the next change saves again. */
  readonly onSaveError?: (error: Error) => void
}

/** A running store and the way to end it. */
export interface OrderStore {
  readonly store: Store
  /** Saves everything and stops. Rejects when something could not be saved. */
  readonly close: () => Promise<void>
}

/**
 * Opens the order desk's store: loads what an earlier process has saved, or starts with the seed when there is nothing yet.
 * Rejects, and leaves every file alone, when saved data cannot be read.
 */
export async function openStore ({ directory, onSaveError = () => {} }: OrderStoreOptions): Promise<OrderStore> {
  await refuseDamaged(directory)
  const adapter = new FileAdapter({ directory })
  const isFirstStart = (await adapter.listKeys()).length === 0

  // Which of the three it is depends on what the store is doing: loading, running or stopping.
  const failures: Error[] = []
  let onError = (error: Error): void => { failures.push(error) }
  const store = await Store.start({
    name: 'order-desk',
    persistence: { adapter, onError: error => { onError(error) } },
    // No bucket has a time to live.
    ttlCheckIntervalMs: 0
  })

  for (const [name, definition] of Object.entries(buckets)) {
    await store.defineBucket(name, definition)
    if (failures.length === 0) continue
    // The store would go on with an empty bucket, and its next save would replace the file.
    await store.dropBucket(name)
    await store.stop()
    throw new Error(`the saved bucket "${name}" cannot be read`, { cause: failures[0] })
  }
  defineQueries(store)
  if (isFirstStart) await seed(store)

  onError = onSaveError
  return { store, close }

  async function close (): Promise<void> {
    onError = error => { failures.push(error) }
    await store.stop()
    if (failures.length > 0) throw new AggregateError(failures, 'the order desk could not be saved')
  }
}

/**
 * A damaged file is set aside when it is read. Whoever restarts the process without looking (a supervisor does)
 * would find it missing the second time, and start with an empty bucket.
 */
async function refuseDamaged (directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const damaged = names.filter(name => name.includes('.corrupt-'))
  if (damaged.length > 0) throw new Error(`damaged data in ${directory}: restore or remove ${damaged.join(', ')}`)
}
