/** A record, or changes of one, as a client sends it. */
export type RecordInput = Readonly<Record<string, unknown>>

/** Returns a record without `_expiresAt`, by which it could outlive the TTL of its bucket. */
export function withoutExpiry (data: RecordInput): Record<string, unknown> {
  if (!Object.hasOwn(data, '_expiresAt')) return data as Record<string, unknown>
  const { _expiresAt: _, ...rest } = data
  return rest
}
