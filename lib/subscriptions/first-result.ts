import type { Grant } from '../permissions/grant.js'
import type { LiveHead } from '../protocol/live-messages.js'
import type { SharedJson } from '../protocol/shared-json.js'
import { EMPTY_DELTA } from './delta.js'
import type { WholeResult } from './encoded-result.js'
import type { LiveQuery } from './live-query.js'
import type { Position } from './publication.js'
import type { QuerySubscription } from './query-subscription.js'

/** The result with which a subscription begins: all of it, or what has changed since a position. */
export interface FirstResult {
  /** `undefined` without deltas. */
  readonly head: LiveHead | undefined
  /** The complete result, or the JSON of a delta. */
  readonly body: SharedJson | string
  /** The version of the result, of the live query. */
  readonly version: number
  readonly position: Position
}

/** Resolves when the subscription has its first result and the client may still see it. */
export async function joinFor (
  grant: Grant, subscription: QuerySubscription, liveQuery: LiveQuery
): Promise<void> {
  await subscription.join(liveQuery)
  grant.assertStillAllowed()
}

/**
 * Returns the present result of a subscription that has joined its live query; of one that takes deltas, what
 * has changed since `since`, where that can be told.
 */
export async function firstResult (
  { isDelta, isComplete, liveQuery }: QuerySubscription, since: Position | undefined, grant: Grant
): Promise<FirstResult> {
  const resumed = isDelta && since !== undefined ? liveQuery.updates.resumed(since) : undefined
  const update = isComplete && resumed?.delta !== EMPTY_DELTA ? undefined : resumed
  const { version: present } = liveQuery.encoded
  let whole = update === undefined ? liveQuery.encoded.whole() : undefined
  while (whole instanceof Promise) {
    const encoded = await whole
    grant.assertStillAllowed()
    // One whose encoding had begun before may be older than the request.
    whole = encoded.version < present ? liveQuery.encoded.whole() : encoded
  }
  const { epoch } = liveQuery
  const { keyField = null, bucket = null, page } = liveQuery.source
  const { revision } = update ?? whole as WholeResult
  return {
    head: isDelta ? { epoch, revision, key: keyField, bucket, page } : undefined,
    body: update === undefined ? (whole as WholeResult).json : update.delta as string,
    version: whole?.version ?? liveQuery.encoded.version,
    position: { epoch, revision }
  }
}
