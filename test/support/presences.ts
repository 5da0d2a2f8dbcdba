import type { Test } from 'tap'
import { MemoryLog, Store, type BucketDefinition, type LogEntry } from '@hamicek/noex-store'
import type { AuditEntry } from '../../lib/audit/entry.js'
import type { AuditTrail } from '../../lib/audit/trail.js'
import { PresenceService } from '../../lib/connection/presence-service.js'
import { SharedStore } from '../../lib/store/shared-store.js'
import type { Log } from '../../lib/util/log.js'
import { FakeClock } from './fake-clock.js'
import { silentLog } from './silent-log.js'

/** A bucket whose records end with their connection. */
export const ephemeral: BucketDefinition = {
  key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } }, ephemeral: true
}

/** The presences of a store, with what they say. */
export interface Presences {
  readonly clock: FakeClock
  readonly store: Store
  readonly service: PresenceService
  readonly entries: Array<Partial<AuditEntry>>
  readonly warnings: string[]
  /** Ids of the records of `present`. */
  readonly present: () => Promise<unknown[]>
}

/** Begins the presences of a store with an ephemeral bucket `present`; `log` is attached to it. */
export async function startPresences (
  t: Test, options: { graceMs?: number, maxRecords?: number, log?: MemoryLog } = {}
): Promise<Presences> {
  const { log, graceMs = 10_000, maxRecords = 1_000 } = options
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  if (log !== undefined) await store.attachLog(log)
  await store.defineBucket('present', ephemeral)
  const clock = new FakeClock()
  const entries: Array<Partial<AuditEntry>> = []
  const warnings: string[] = []
  const trail = { note (entry: Partial<AuditEntry>) { entries.push(entry) } } as unknown as AuditTrail
  const logged: Log = { ...silentLog, warn (_details, message) { warnings.push(message) } }
  const sharedStore = SharedStore.of(store)
  const service = new PresenceService({ graceMs, maxRecords }, { sharedStore, trail, clock, log: logged })
  t.teardown(() => { service.stop() })
  return {
    clock,
    store,
    service,
    entries,
    warnings,
    present: async () => (await store.bucket('present').all()).map(({ id }) => id)
  }
}

/** A log that a test can stop: it refuses entries, or does not answer. */
export class ControlledLog extends MemoryLog {
  isRefusing = false
  /** Resolves when entries may be appended. */
  gate: Promise<void> | undefined

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    await this.gate
    if (this.isRefusing) throw new Error('no space left on device')
    await super.append(entries, previousRevision)
  }
}
