import type { DurabilityNotice, RecoveryProgress } from '../types/durability.js'

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
