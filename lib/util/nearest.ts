/** Number of candidates that are compared: the first ones. */
const MAX_CANDIDATES = 1_000

/** Length limit of a name that is compared, in characters. */
const MAX_CHARS = 64

/** Limit of typing errors in a name, and number of characters that it needs for each. */
const MAX_ERRORS = 2
const CHARS_PER_ERROR = 3

/** Length limit of a name in a message, in characters. */
const MAX_SHOWN_CHARS = 128

/**
 * Returns the candidates that may be meant by `name`, the most similar first: those that differ by a few
 * typing errors (a letter left out, added, changed, or two exchanged), or in case only.
 */
export function nearestNames (name: string, candidates: Iterable<string>): string[] {
  if (name.length > MAX_CHARS) return []
  const wanted = name.toLowerCase()
  const most = Math.min(MAX_ERRORS, Math.floor(name.length / CHARS_PER_ERROR))
  const near: Array<{ readonly name: string, readonly errors: number }> = []
  let left = MAX_CANDIDATES
  for (const candidate of candidates) {
    if (left-- === 0) break
    const errors = candidate === name ? Infinity : errorsBetween(wanted, candidate.toLowerCase(), most)
    if (errors <= most) near.push({ name: candidate, errors })
  }
  return near.sort((a, b) => a.errors - b.errors).map(({ name }) => name)
}

/** Returns the name for a message: quoted, and cut after 128 characters. */
export function quoted (name: string): string {
  return `"${cut(name)}"`
}

/** Returns the name, cut after 128 characters. */
export function cut (name: string): string {
  return name.length > MAX_SHOWN_CHARS ? `${name.slice(0, MAX_SHOWN_CHARS)}…` : name
}

/** Returns the question to append to a message about an unknown name; empty where `name` is `undefined`. */
export function didYouMean (name: string | undefined): string {
  return name === undefined ? '' : `; did you mean ${quoted(name)}?`
}

/**
 * Returns the least number of typing errors between `a` and `b`; `Infinity` for more than `most`. Computes
 * only the cells of the matrix that so few errors can lead to.
 */
function errorsBetween (a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return Infinity
  const tooMany = most + 1
  let beforeLast = new Uint8Array(b.length + 1).fill(tooMany)
  let last = beforeLast.map((_, j) => Math.min(j, tooMany))
  for (let i = 1; i <= a.length; i++) {
    const row = new Uint8Array(b.length + 1).fill(tooMany)
    if (i <= most) row[0] = i
    let least = at(row, 0)
    for (let j = Math.max(1, i - most); j <= Math.min(b.length, i + most); j++) {
      let errors = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      )
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) errors = Math.min(errors, at(beforeLast, j - 2) + 1)
      row[j] = Math.min(errors, tooMany)
      least = Math.min(least, errors)
    }
    if (least > most) return Infinity
    beforeLast = last
    last = row
  }
  return at(last, b.length) <= most ? at(last, b.length) : Infinity
}

function at (row: Uint8Array, index: number): number {
  return row[index] ?? Infinity
}
