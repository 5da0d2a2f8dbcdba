import { readdir } from 'node:fs/promises'
import { FileAdapter, Store } from 'fastify-noex/store'
import { defineQueries, schema, type DeskStore } from './model.js'
import { seed } from './seed.js'

export interface OrderStoreOptions {
  /** Where the data is kept, one file for each bucket. For one process at a time. */
  readonly directory: string
  /** Hears of a save that has failed while the store runs; the next change saves again. */
  readonly onSaveError?: (error: Error) => void
}

/** A running store and the way to end it. */
export interface OrderStore {
  readonly store: DeskStore
  /** Saves everything and stops. Rejects when something could not be saved. */
  readonly close: () => Promise<void>
}

/**
 * Opens the order desk's store: loads the data that an earlier process has saved, or starts with the seed
 * when there is none yet. Rejects, and leaves every file alone, when saved data cannot be read.
 */
export async function openStore (
  { directory, onSaveError = () => {} }: OrderStoreOptions
): Promise<OrderStore> {
  await refuseDamaged(directory)
  const adapter = new FileAdapter({ directory })
  const isFirstStart = (await adapter.listKeys()).length === 0

  // A failure to load ends the start.
  let onError = (_error: Error): void => {}
  const store = await Store.start({
    name: 'order-desk',
    schema,
    persistence: { adapter, onError: error => { onError(error) } },
    // No bucket has a time to live.
    ttlCheckIntervalMs: 0
  }).catch((cause: Error) => { throw new Error(`the saved data cannot be read: ${cause.message}`, { cause }) })
  onError = onSaveError
  defineQueries(store)
  if (isFirstStart) await seed(store)
  return { store, close }

  async function close (): Promise<void> {
    // The store rejects with the first failure, and reports all.
    const failures = new Set<unknown>()
    onError = error => { failures.add(error) }
    await store.stop().catch(error => { failures.add(error) })
    if (failures.size > 0) throw new AggregateError(failures, 'the order desk could not be saved')
  }
}

/**
 * A damaged file is set aside when it is read. A supervisor, which restarts the process without a look, would
 * find it missing the second time, and start with an empty bucket.
 */
async function refuseDamaged (directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const damaged = names.filter(name => name.includes('.corrupt-'))
  if (damaged.length > 0) {
    throw new Error(`damaged data in ${directory}: restore or remove ${damaged.join(', ')}`)
  }
}
