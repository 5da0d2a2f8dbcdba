import type { Engine } from '../commit/engine.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { DurabilityNotice, RecoveryProgress } from '../types/durability.js'
import { applyCommit, prepareBuckets } from './apply.js'
import type { LogEntry, OpenedLog } from './change-log.js'
import { loadImage } from './image.js'

/** Makes an empty store the one that a log has: its snapshot, then each entry after that. */
export async function replay (
  engine: Engine, queries: QueryRegistry, { epoch, snapshot, tail }: OpenedLog,
  onProgress: (progress: RecoveryProgress) => void = () => {}
): Promise<void> {
  if (snapshot !== undefined) {
    await loadImage(engine, queries, snapshot, (done, total) => {
      onProgress({ phase: 'load', done, total })
    })
  }
  engine.startAt(snapshot?.revision ?? (tail[0] as LogEntry).revision - 1, epoch)
  for (const [done, entry] of tail.entries()) {
    applyCommit(engine, queries, entry, await prepareBuckets(engine, entry))
    if (!engine.slicer.isSpent) continue
    onProgress({ phase: 'apply', done, total: tail.length })
    await engine.slicer.nextTurn()
  }
}

/** Time for which nothing is said, and between two words, in milliseconds. */
const QUIET_MS = 1_000

const texts: Readonly<Record<RecoveryProgress['phase'], string>> = {
  read: 'the log of the store is read: characters so far',
  load: 'the snapshot of the store is loaded: records so far',
  apply: 'the log of the store is applied: commits so far'
}

/** Returns what turns the progress of a start into notices, once a second from the first second on. */
export function progressNotices (
  onNotice: (notice: DurabilityNotice) => void
): (progress: RecoveryProgress) => void {
  let next = performance.now() + QUIET_MS
  return ({ phase, done, total }) => {
    if (performance.now() < next) return
    next = performance.now() + QUIET_MS
    onNotice({
      type: 'progress', message: `${texts[phase]}: ${done}${total === undefined ? '' : ` of ${total}`}`
    })
  }
}
