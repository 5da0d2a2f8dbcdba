import { Store, type DurabilityNotice } from 'fastify-noex/store'
import { defineQueries, schema, type DeskStore } from './model.js'
import { seed } from './seed.js'

export interface OrderStoreOptions {
  /** Where the log of all commits is kept. For one process at a time. @default none: in memory */
  readonly directory?: string | undefined
  /** Hears what an operator should know: of a disk that refuses writes, for instance. */
  readonly onNotice?: (notice: DurabilityNotice) => void
}

/** A running store and the way to end it. */
export interface OrderStore {
  readonly store: DeskStore
  /** Stops. Rejects when something could not be made durable. */
  readonly close: () => Promise<void>
}

/**
 * Opens the order desk's store: everything that an earlier process has answered, or the seed when there is
 * nothing yet. Rejects, and leaves every file alone, when the files are not whole.
 */
export async function openStore ({ directory, onNotice }: OrderStoreOptions = {}): Promise<OrderStore> {
  const store = await Store.start({
    name: 'order-desk',
    schema,
    durability: directory === undefined ? 'memory' : { directory, ...(onNotice && { onNotice }) },
    // No bucket has a time to live.
    ttlCheckIntervalMs: 0
  })
  const close = async (): Promise<void> => { await store.stop() }
  try {
    defineQueries(store)
    const counts = [
      store.bucket('customers').count(), store.bucket('products').count(), store.bucket('orders').count()
    ]
    if ((await Promise.all(counts)).every(count => count === 0)) await seed(store)
    return { store, close }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}
