/** Names that are compared at most; those that come first. */
const MAX_CANDIDATES = 1_000

/** Characters of a name that is compared at most. */
const MAX_CHARS = 64

/** Slips that a name may have at most, and how many characters it needs for each. */
const MAX_SLIPS = 2
const CHARS_PER_SLIP = 3

/** Characters of a name that a sentence repeats at most. */
const MAX_SHOWN_CHARS = 128

/**
 * Returns the names that could be meant by `name`, the likeliest first: those that a few slips make of it (a
 * letter left out, added, changed, or two in the wrong order), or that differ in case only.
 */
export function nearestNames (name: string, candidates: Iterable<string>): string[] {
  if (name.length > MAX_CHARS) return []
  const wanted = name.toLowerCase()
  const most = Math.min(MAX_SLIPS, Math.floor(name.length / CHARS_PER_SLIP))
  const near: Array<{ readonly name: string, readonly slips: number }> = []
  let left = MAX_CANDIDATES
  for (const candidate of candidates) {
    if (left-- === 0) break
    const slips = candidate === name ? Infinity : slipsBetween(wanted, candidate.toLowerCase(), most)
    if (slips <= most) near.push({ name: candidate, slips })
  }
  return near.sort((a, b) => a.slips - b.slips).map(({ name }) => name)
}

/** Returns the name as a sentence shows it: quoted, and cut where it is too long. */
export function quoted (name: string): string {
  return `"${cut(name)}"`
}

/** Returns the name as a line of the log shows it: the beginning of one that is too long. */
export function cut (name: string): string {
  return name.length > MAX_SHOWN_CHARS ? `${name.slice(0, MAX_SHOWN_CHARS)}…` : name
}

/** Returns the question that follows the name of what is not there; nothing where there is no other name. */
export function didYouMean (name: string | undefined): string {
  return name === undefined ? '' : `; did you mean ${quoted(name)}?`
}

/**
 * Returns the least number of slips that make `b` of `a`, or `Infinity` when they are more than `most`. Looks
 * only at the places that so few slips can lead to.
 */
function slipsBetween (a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return Infinity
  const tooMany = most + 1
  let beforeLast = new Uint8Array(b.length + 1).fill(tooMany)
  let last = beforeLast.map((_, j) => Math.min(j, tooMany))
  for (let i = 1; i <= a.length; i++) {
    const row = new Uint8Array(b.length + 1).fill(tooMany)
    if (i <= most) row[0] = i
    let least = at(row, 0)
    for (let j = Math.max(1, i - most); j <= Math.min(b.length, i + most); j++) {
      let slips = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      )
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) slips = Math.min(slips, at(beforeLast, j - 2) + 1)
      row[j] = Math.min(slips, tooMany)
      least = Math.min(least, slips)
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
