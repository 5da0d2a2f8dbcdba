import type { Test } from 'tap'
import { Store, type StoreOptions } from '@hamicek/noex-store'
import { Directory } from '../../lib/identity/directory.js'
import type { DirectoryChange } from '../../lib/identity/change-listeners.js'
import type { Log } from '../../lib/util/log.js'
import { operations } from '../../lib/operations/registry.js'
import { SharedStore } from '../../lib/store/shared-store.js'

/** A log that keeps what is written to it. */
export function keepingLog () {
  const messages: string[] = []
  const keep = (_details: object, message: string): void => { messages.push(message) }
  const log: Log = { trace: keep, debug: keep, info: keep, warn: keep, error: keep, child: () => log }
  return { log, messages }
}

/** The directory of a fresh store, or of `store`; everything closes with the test. */
export async function open (
  t: Test, settings: { readonly store?: Store, readonly options?: StoreOptions } = {}
) {
  const store = settings.store ?? await startStore(t, settings.options)
  const sharedStore = SharedStore.of(store)
  const { log, messages } = keepingLog()
  const directory = await Directory.open(sharedStore, operations.values(), log)
  t.teardown(async () => { await directory.close() })
  const changes: DirectoryChange[] = []
  directory.onChange(change => { changes.push(change) })
  return { store, sharedStore, directory, messages, changes, log }
}

export async function startStore (t: Test, options?: StoreOptions): Promise<Store> {
  const store = await Store.start(options)
  t.teardown(async () => { await store.stop() })
  return store
}

export const alice = { username: 'alice', passwordHash: 'x' }
