import type { StoreAccess } from './store-access.js'
import { ValueGuard } from './value-guard.js'

/** A record as a client sends it. */
export type RecordInput = Readonly<Record<string, unknown>>

/** Drops `_expiresAt`, with which a client could outlive the bucket's TTL. */
export function withoutExpiry (data: RecordInput): Record<string, unknown> {
  if (!Object.hasOwn(data, '_expiresAt')) return data as Record<string, unknown>
  const { _expiresAt: _, ...rest } = data
  return rest
}

/**
 * Prepares what an update merges into a record.
 * @throws `BUCKET_NOT_DEFINED`, or `VALIDATION_ERROR` for a text that takes too long to match
 */
export function prepareChanges (access: StoreAccess, bucket: string, data: RecordInput, guard = new ValueGuard()): Record<string, unknown> {
  guard.check(access.definition(bucket), data)
  return withoutExpiry(data)
}
