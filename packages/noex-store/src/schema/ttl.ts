const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Returns a lifetime in milliseconds, given as such or as a text of a number and a unit: `1s`, `30m`, `1.5h`,
 * `7d`.
 * @throws Error when it is not positive, not finite or of another form
 */
export function parseTtl (ttl: number | string): number {
  if (typeof ttl === 'number') {
    if (ttl > 0 && Number.isFinite(ttl)) return ttl
    throw new Error(`TTL must be a positive finite number, got ${String(ttl)}`)
  }
  const parts = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(ttl)
  if (parts === null) {
    throw new Error(
      `Invalid TTL format "${ttl}". Expected a number (ms) or string like "30s", "5m", "1h", "7d".`
    )
  }
  const value = Number(parts[1]) * (UNITS[parts[2] as string] as number)
  if (value > 0 && Number.isFinite(value)) return value
  throw new Error(`TTL value must be positive, got "${ttl}"`)
}
