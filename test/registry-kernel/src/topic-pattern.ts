/** Tells whether a topic, given whole and split on `.`, matches a pattern. */
export type TopicMatcher = (topic: string, segments: readonly string[]) => boolean

/** Tells whether a pattern has wildcards; without any, it matches only the topic of its own name. */
export function hasWildcard (pattern: string): boolean {
  return pattern.split('.').includes('*')
}

/**
 * Compiles a topic pattern.
 *
 * Segments are separated by `.`. A segment `*` stands for exactly one segment, at the end of the
 * pattern for one or more, and alone for every topic. A `*` beside other characters of its segment
 * is an ordinary character.
 */
export function compileTopicPattern (pattern: string): TopicMatcher {
  if (pattern === '*') return () => true
  if (!hasWildcard(pattern)) return topic => topic === pattern

  const wanted = pattern.split('.')
  const isOpen = wanted.at(-1) === '*'
  return (_topic, segments) => {
    if (isOpen ? segments.length < wanted.length : segments.length !== wanted.length) return false
    return wanted.every((segment, index) => segment === '*' || segment === segments[index])
  }
}
