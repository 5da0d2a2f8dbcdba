import type { TouchedRow } from '@hamicek/noex-store'
import type { NoexServerError } from '../protocol/errors.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { NetChanges } from './change-history.js'

/** A list of records that each have a key of their own. */
export interface KeyedRows {
  readonly size: number
  /** Returns the index of a row, -1 where it is not in the list. Keys 1 and '1' are different. */
  indexOf: (key: unknown) => number
  row: (key: unknown) => object | undefined
}

/** The ends of a page. */
export interface PageEnds {
  /** Whether there are rows behind the page. */
  readonly hasMore: boolean
  /** Where the next page begins; `null` for an empty page. */
  readonly nextCursor: string | null
}

/** The computation behind a live query: keeps its result up to date. */
export interface LiveSource extends KeyedRows {
  /** The field that holds the keys; `undefined` where the result is no list of records with keys. */
  readonly keyField: string | undefined
  /** The bucket whose key that is; `undefined` where it is none, or one of several. */
  readonly bucket: string | undefined
  /** The revision of the store whose state the result shows. */
  readonly revision: number
  /** Whether a durable commit may have changed the result, and is not in it yet. */
  readonly isBehind: boolean
  /** Whether another result is being made, or about to be: not after a failure. */
  readonly isPending: boolean
  /** Estimated bytes that are kept for the result. */
  readonly bytes: number
  /** `undefined` where the result is no page. */
  readonly page: PageEnds | undefined
  /** Resolves when the result is at least as new as the call. Rejects with the error of the query. */
  fresh: () => Promise<void>
  /** The JSON of the result, where the source has it already. */
  readonly text: string | undefined
  /** Returns the result; a list is one that later changes leave as it is. */
  result: () => unknown
  /** Goes on, or ceases, to follow changes; a result that is not followed is behind from the next one on. */
  follow: (isFollowed: boolean) => void
  /** Returns the rows that have changed since a revision; `undefined` where only the history may tell. */
  touchesSince: (revision: number) => NetChanges | undefined
  /** Tries again what has failed: a bucket has been defined. */
  retry: () => void
  /** Frees everything; callers that wait for a result are rejected with `error`. */
  close: (error?: unknown) => void
}

/** Hears how the result of a source changes. */
export interface SourceListener {
  /** Called when the result has changed; `touches` is `undefined` where nothing is known of its rows. */
  onChange: (revision: number, touches: readonly TouchedRow[] | undefined) => void
  /** Called when a query in code has read parameters that it had not read before. */
  onUsed: () => void
  /** Called when a query in code has given a result, the same one or another one than before. */
  onResult: () => void
  /** Called when the result is that of the last commit again, whether it has changed or not. */
  onSettled: () => void
  /** Called when a new result cannot be had; the last one stays. */
  onFailure: (error: unknown) => void
  /** Called when there will be no further result. */
  onEnd: (reason: SubscriptionEnd, error: NoexServerError) => void
}
