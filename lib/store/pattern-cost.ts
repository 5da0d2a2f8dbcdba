const known = new Map<string, number>()

/** Patterns remembered; they come from bucket definitions, so there are few. */
const MAX_KNOWN = 1_000

/**
 * How matching a regular expression grows: at most with this power of the text's length. `Infinity` where a
 * repeated group holds an alternation or another repetition, or the pattern refers back: it may grow faster.
 * Errs on the side of more.
 */
export function patternPower (pattern: string): number {
  let power = known.get(pattern)
  if (power === undefined) {
    power = count(pattern)
    if (known.size >= MAX_KNOWN) known.clear()
    known.set(pattern, power)
  }
  return power
}

function count (pattern: string): number {
  // Without an anchor, matching is tried from every character on.
  let power = pattern.startsWith('^') && !pattern.includes('|') ? 0 : 1
  /** For each open group, whether it holds a choice. */
  const groups: boolean[] = [false]
  let closedWithChoice = false
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]
    if (char === '\\') {
      if (/[1-9k]/.test(pattern[i + 1] ?? '')) return Infinity
      i++
    } else if (char === '[') {
      i = endOfClass(pattern, i)
    } else if (char === '(') {
      groups.push(false)
      // (?: (?= (?! (?<= (?<! (?<name>: the question mark repeats nothing.
      if (pattern[i + 1] === '?') i++
      continue
    } else if (char === ')') {
      closedWithChoice = groups.pop() === true
      // A choice inside is one of the group around it too.
      if (closedWithChoice) groups[groups.length - 1] = true
      continue
    } else if (char === '|') {
      groups[groups.length - 1] = true
    } else if (char === '*' || char === '+' || char === '?' || (char === '{' && /^\{\d+(,\d*)?\}/.test(pattern.slice(i)))) {
      if (closedWithChoice) return Infinity
      power++
      groups[groups.length - 1] = true
      if (pattern[i + 1] === '?') i++
    }
    closedWithChoice = false
  }
  return power
}

function endOfClass (pattern: string, start: number): number {
  let i = start + 1
  while (i < pattern.length && pattern[i] !== ']') i += pattern[i] === '\\' ? 2 : 1
  return i
}
