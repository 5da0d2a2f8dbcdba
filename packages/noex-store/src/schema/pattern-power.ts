/**
 * Returns how the time of matching a regular expression grows: at most with this power of the text's length.
 * `Infinity` where a repeated group holds a choice or another repetition, or the pattern refers back: it may
 * grow faster. Errs on the side of more.
 */
export function matchingPower (source: string): number {
  // Without an anchor, matching is tried from every character on.
  let power = source.startsWith('^') && !source.includes('|') ? 0 : 1
  /** For each open group, whether it holds a choice or a repetition. */
  const groups = [false]
  let isChoiceClosed = false
  for (let i = 0; i < source.length; i++) {
    const char = source[i]
    const followsChoice = isChoiceClosed
    isChoiceClosed = false
    if (char === '\\') {
      if (/[1-9k]/.test(source[++i] ?? '')) return Infinity
    } else if (char === '[') {
      i = endOfClass(source, i)
    } else if (char === '(') {
      groups.push(false)
      // The question mark of (?: (?= (?! (?< repeats nothing.
      if (source[i + 1] === '?') i++
    } else if (char === ')') {
      isChoiceClosed = groups.pop() === true
      if (isChoiceClosed) groups[groups.length - 1] = true
    } else if (char === '|') {
      groups[groups.length - 1] = true
    } else if (isRepetition(source, i)) {
      if (followsChoice) return Infinity
      power++
      groups[groups.length - 1] = true
      if (source[i + 1] === '?') i++
    }
  }
  return power
}

function isRepetition (source: string, at: number): boolean {
  const char = source[at]
  return char === '*' || char === '+' || char === '?' ||
    (char === '{' && /^\{\d+(,\d*)?\}/.test(source.slice(at, at + 20)))
}

function endOfClass (source: string, start: number): number {
  let end = start + 1
  while (end < source.length && source[end] !== ']') end += source[end] === '\\' ? 2 : 1
  return end
}
