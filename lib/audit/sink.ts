import type { Tier } from '../permissions/policy.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { NoexOptionsError } from '../util/option-schema.js'
import type { RecordedEntry } from './entry.js'

/** `block`: the reply waits until the entry is durable. `drop`: the entry is left out when too many wait. */
export type SinkPolicy = 'block' | 'drop'

/** The policy for each tier of operations. */
export type SinkPolicies = Readonly<Record<Tier, SinkPolicy>>

/** Reads are frequent, so their replies do not wait unless configured. */
export const defaultPolicies: SinkPolicies = { admin: 'block', write: 'block', read: 'drop' }

/** Checks a policy. @throws {NoexOptionsError} when `value` is none */
export function isPolicy (value: unknown, path: string): void {
  if (value !== 'block' && value !== 'drop') throw new NoexOptionsError(path, 'must be "block" or "drop"')
}

/** The services of the trail for one sink. */
export interface SinkContext {
  readonly log: Log
  readonly clock: Clock
  /**
   * Reports that an attempt to write has failed; the sink retries by itself. `reason` is shown by `/healthz`,
   * so it must not contain paths, addresses or credentials.
   */
  readonly failing: (error: Error, reason: string) => void
  /**
   * Records an event of the trail itself as an entry of the server. `operation` starts with `audit.`; with
   * `error`, the result of the entry is `error`.
   */
  readonly note: (operation: string, details: Readonly<Record<string, unknown>>, error?: string) => void
}

/** A place where entries become durable, for the option `audit.sinks`. */
export interface AuditSink {
  /** Name of the sink in `/healthz`, `/stats` and the log. */
  readonly name: string
  readonly policy: SinkPolicies
  /** Opens the trail. Rejects when it cannot be written: the plugin then does not start. */
  open: (context: SinkContext) => Promise<SinkWriter>
}

/** The commits to look for in a trail. */
export interface WantedCommits {
  /** Id of the store's history; entries of other histories do not count. */
  readonly epoch: string
  readonly revisions: readonly number[]
  /** An entry of this revision or an earlier one comes before those of all `revisions`. */
  readonly told: number
  /** None of their entries is older, in epoch milliseconds. */
  readonly since: number
}

/** The commits that were found at the end of a trail. */
export interface FoundCommits {
  /** Revisions in entries of that history, as far as the trail was searched. */
  readonly revisions: readonly number[]
  /**
   * Time of the oldest entry, in epoch milliseconds, where older ones were removed and the search reached it.
   * No crash took the entries of commits up to this time.
   */
  readonly removedUntil?: number
}

/**
 * The part of a sink that finds commits in its trail, so that a start can restore the entries that a crash
 * took: they are in the notes of the commits.
 */
export interface SinkCommits {
  /** Id of the trail among all trails of a store: its path. */
  readonly trail: string
  /** Searches the trail from its end. */
  readonly find: (wanted: WantedCommits) => Promise<FoundCommits>
}

/** The state of one sink in `/stats`. */
export interface SinkStats {
  readonly name: string
  /** Why entries do not become durable; `null` while they do. */
  readonly problem: string | null
  /** Entries that are not durable yet. */
  readonly queued: number
  /** Milliseconds since the oldest of them was queued. */
  readonly lagMs: number
  /** Entries since the start that were left out; the trail has an `audit.gap` for them. */
  readonly dropped: number
}

/** An open sink. */
export interface SinkWriter {
  /**
   * With it, the reply to a write does not wait for the sink where the store's log has the entry with the
   * commit. Without it, the reply waits.
   */
  readonly commits?: SinkCommits
  /**
   * Writes entries; resolves when all are durable, in this order. There is one call at a time. A sink either
   * retries by itself and reports each failed attempt to `failing`, or rejects: then the same entries are
   * passed again after a pause, and it must recognise those that it has stored already. Entries are frozen.
   */
  write: (batch: readonly RecordedEntry[]) => Promise<void>
  /**
   * Closes the sink. A running `write` may finish as long as nothing fails, and gets one more attempt
   * otherwise. Resolves when all resources are released.
   */
  close: () => Promise<void>
}
