import type { Log } from '../util/log.js'

/** Groups of names that look alike, and names of one group, of which the log is told. */
const MAX_NAMES = 20

/** Names that people take for the same, in groups; each is known by its exact spelling only. */
export interface Collisions {
  readonly accounts: readonly string[][]
  readonly roles: readonly string[][]
}

/**
 * Logs names that look alike. Nothing is renamed: only people can tell which of two names is the right one.
 */
export function warnOfCollisions (collisions: Collisions, log: Log): void {
  for (const [kind, groups] of Object.entries(collisions)) {
    if (groups.length === 0) continue
    const names = groups.slice(0, MAX_NAMES).map((group: string[]) => group.slice(0, MAX_NAMES))
    const rule = 'each is known by its exact spelling only, and no other like them can be created'
    log.warn({ [kind]: names, groups: groups.length }, `there are ${kind} whose names look alike: ${rule}`)
  }
}
