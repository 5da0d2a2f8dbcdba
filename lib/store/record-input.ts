/** A record as a client sends it. */
export type RecordInput = Readonly<Record<string, unknown>>

/** Drops `_expiresAt`, with which a client could outlive the bucket's TTL. */
export function withoutExpiry (data: RecordInput): Record<string, unknown> {
  if (!Object.hasOwn(data, '_expiresAt')) return data as Record<string, unknown>
  const { _expiresAt: _, ...rest } = data
  return rest
}
