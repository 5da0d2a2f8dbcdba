/** Bytes of a number, a boolean or null in JSON, on average. */
const SCALAR_BYTES = 8
/** Levels that are looked at; what lies deeper counts as a scalar. */
const MAX_DEPTH = 32

/** Estimates the bytes of a value as JSON. Texts count one byte a character. */
export function estimateBytes (value: unknown, depth = 0): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return SCALAR_BYTES
  let bytes = 2
  if (Array.isArray(value)) {
    for (const item of value) bytes += estimateBytes(item, depth + 1) + 1
    return bytes
  }
  for (const name in value) {
    bytes += name.length + 4 + estimateBytes(
      (value as Record<string, unknown>)[name], depth + 1
    )
  }
  return bytes
}
