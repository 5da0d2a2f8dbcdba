/** Tells whether the segments of a topic match a pattern. */
export type TopicMatch = (segments: readonly string[]) => boolean

/** Tells whether a pattern has wildcards; without any it matches the topic of its own name alone. */
export function hasWildcard (pattern: string): boolean {
  return pattern.split('.').includes('*')
}

/**
 * Compiles a pattern of topics. Segments are separated by `.`; a segment `*` stands for one segment, at the
 * end for one or more, and `*` alone for every topic.
 */
export function compilePattern (pattern: string): TopicMatch {
  if (pattern === '*') return () => true
  const wanted = pattern.split('.')
  const isOpen = wanted.at(-1) === '*'
  return segments => {
    if (isOpen ? segments.length < wanted.length : segments.length !== wanted.length) return false
    return wanted.every((segment, i) => segment === '*' || segment === segments[i])
  }
}
