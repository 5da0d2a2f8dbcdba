/**
 * Compares the header `Origin` of a request with the origins that are allowed, byte by byte: `refused` for
 * another one, or several. A browser sends exactly one; other clients may send none, which is `absent`.
 */
export function pageOrigin (
  rawHeaders: readonly string[], allowedOrigins: readonly string[]
): 'allowed' | 'absent' | 'refused' {
  let found: string | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== 6 || name.toLowerCase() !== 'origin') continue
    if (found !== undefined) return 'refused'
    found = rawHeaders[i + 1]
  }
  if (found === undefined) return 'absent'
  return allowedOrigins.includes(found) ? 'allowed' : 'refused'
}
