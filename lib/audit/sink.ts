import type { Tier } from '../permissions/policy.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { option, options } from '../util/option-schema.js'
import { either } from '../util/option-types.js'
import type { RecordedEntry } from './entry.js'

/** Whether a reply waits until its entry is durable, or an entry may be left out when too many wait. */
export type SinkPolicy = 'block' | 'drop'

/** The policy for each tier of operations. */
export type SinkPolicies = Readonly<Record<Tier, SinkPolicy>>

export const sinkPolicy = either('block', 'drop')

/** Reads are many: their replies do not wait unless an option says so. */
export const sinkPolicies = options<SinkPolicies>()({
  admin: option(sinkPolicy, 'block'),
  write: option(sinkPolicy, 'block'),
  read: option(sinkPolicy, 'drop')
})

/** What a sink is opened with. */
export interface SinkContext {
  readonly log: Log
  readonly clock: Clock
  /**
   * An attempt to write has failed; the sink goes on trying. `reason` is shown by `/healthz`: no path, no
   * address, no credentials.
   */
  readonly failing: (error: Error, reason: string) => void
  /**
   * Something about the trail itself that belongs into it: it is recorded like an entry of the server.
   * `operation` starts with `audit.`; with `error`, its result is one.
   */
  readonly note: (operation: string, details: Readonly<Record<string, unknown>>, error?: string) => void
}

/** Where entries become durable: what `audit.sinks` takes. */
export interface AuditSink {
  /** Names the sink in `/healthz`, `/stats` and the log. */
  readonly name: string
  readonly policy: SinkPolicies
  /** Gets ready. Rejects when the trail cannot be written as things are: the plugin then does not start. */
  open: (context: SinkContext) => Promise<SinkWriter>
}

/** Which commits are looked for in a trail. */
export interface WantedCommits {
  /** Names the history of the store: entries of others do not count. */
  readonly epoch: string
  readonly revisions: readonly number[]
  /** An entry of this revision or an earlier one stands before those of all `revisions`. */
  readonly told: number
  /** No entry of them is older, in epoch milliseconds. */
  readonly since: number
}

/** What the end of a trail has of them. */
export interface FoundCommits {
  /** The revisions that entries of that history name, as far as the trail was searched. */
  readonly revisions: readonly number[]
  /**
   * Time of the oldest entry, in epoch milliseconds, where older ones were removed and the search came to it.
   * Commits until then are none that a crash has taken the entries of.
   */
  readonly removedUntil?: number
}

/**
 * The part of a sink that gets back, at the next start, the entries that a crash has taken between a commit
 * and it: they are in the notes of commits.
 */
export interface SinkCommits {
  /** Names the trail among all of a store: its path. */
  readonly trail: string
  /** Searches the trail from its end. */
  readonly find: (wanted: WantedCommits) => Promise<FoundCommits>
}

/** An open sink. */
export interface SinkWriter {
  /**
   * With it, the reply to a write does not wait for the sink where the log of the store has the entry with
   * the commit. Absent: it waits.
   */
  readonly commits?: SinkCommits
  /**
   * Resolves when all of these entries are durable, in this order. There is one call at a time. A sink tries
   * by itself and tells `failing` of each attempt that fails, or it rejects: then the same entries are given
   * again after a pause, so it has to know those that it has stored already. Entries are frozen.
   */
  write: (batch: readonly RecordedEntry[]) => Promise<void>
  /**
   * Ends the sink. A `write` that is under way gets what time it needs as long as nothing fails, and one more
   * attempt otherwise. Resolves when everything is released.
   */
  close: () => Promise<void>
}
