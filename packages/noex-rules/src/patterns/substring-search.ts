/** Finds one text in others, in time linear in the searched text. */
export interface SubstringSearch {
  readonly needle: string
  /** Returns the index after the first occurrence between `from` and `end`; -1 when there is none. */
  endOfFirst: (text: string, from: number, end: number) => number
}

/** Prepares the search for a text that is not empty (Knuth, Morris and Pratt). */
export function compileSubstringSearch (needle: string): SubstringSearch {
  const fallback = fallbackTable(needle)
  const size = needle.length

  return {
    needle,
    endOfFirst (text, from, end) {
      let found = 0
      for (let index = from; index < end; index++) {
        const code = text.charCodeAt(index)
        while (found > 0 && code !== needle.charCodeAt(found)) found = fallback[found - 1]!
        if (code === needle.charCodeAt(found)) found++
        if (found === size) return index + 1
      }
      return -1
    }
  }
}

/** Returns, for each prefix, the length of its longest proper prefix that is also its suffix. */
function fallbackTable (needle: string): Uint16Array | Uint32Array {
  const table = needle.length < 65536 ? new Uint16Array(needle.length) : new Uint32Array(needle.length)
  let length = 0
  for (let index = 1; index < needle.length; index++) {
    const code = needle.charCodeAt(index)
    while (length > 0 && code !== needle.charCodeAt(length)) length = table[length - 1]!
    if (code === needle.charCodeAt(length)) length++
    table[index] = length
  }
  return table
}
