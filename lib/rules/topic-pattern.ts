/** Length limit of a pattern, in characters. */
export const MAX_PATTERN_LENGTH = 512

/** Returns whether a pattern of `rules.subscribe` has wildcards; without any, it is a topic. */
export function hasWildcard (pattern: string): boolean {
  return pattern.split('.').includes('*')
}

/**
 * Compiles a pattern of `rules.subscribe` with wildcards. PROTOCOL.md, "Rules". Segments are separated by
 * `.`; `*` alone matches every topic, a segment `*` exactly one segment, and at the end any number, also
 * none. All other characters match themselves. Matching takes time linear in the pattern.
 */
export function compilePattern (pattern: string): (segments: readonly string[]) => boolean {
  const wanted = pattern.split('.')
  const isOpen = wanted.at(-1) === '*'
  const fixed = isOpen ? wanted.slice(0, -1) : wanted
  return segments => (isOpen ? segments.length >= fixed.length : segments.length === fixed.length) &&
    fixed.every((segment, i) => segment === '*' || segment === segments[i])
}

/**
 * Returns the topic that `stem.*` matches besides those that begin with `stem.`; `undefined` where it has
 * none.
 */
export function stemOf (pattern: string): string | undefined {
  if (!pattern.endsWith('.*')) return undefined
  const stem = pattern.slice(0, -2)
  return hasWildcard(stem) ? undefined : stem
}
