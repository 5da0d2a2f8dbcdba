import { FilterError } from '../errors.js'

/** Characters of a text up to which, and of a part up to which, the search of the engine is fast enough. */
const SHORT_TEXT = 64
const SHORT_PART = 7

/**
 * Bound of the text that a filter looks through in one record: so many characters, and beyond them as long
 * as all took no more than so many milliseconds.
 */
const MAX_CHARS = 500_000
const MAX_MS = 5

// That of the moment of loading, as of the slices.
const ticks = performance.now.bind(performance)

/** Characters that conditions have looked through so far. */
export const searchedChars = { chars: 0 }

/** Where the characters of the present record end, and when its search was first seen to go on. */
const bound: { end: number, since: number | undefined } = { end: Infinity, since: undefined }

/**
 * Keeps what a filter looks through of one record within bounds, since a record is not tried in slices: the
 * test throws FilterError for one that takes more.
 */
export function bounded<T> (test: (record: T) => boolean): (record: T) => boolean {
  return record => {
    bound.end = searchedChars.chars + MAX_CHARS
    try {
      return test(record)
    } finally {
      bound.end = Infinity
      bound.since = undefined
      lowered = NONE
    }
  }
}

/**
 * Returns what tells whether a text has a part, in letters of either case, in time linear in the text.
 * It throws FilterError where the record has taken too long already.
 */
export function finderOf (part: string): (text: string) => boolean {
  const wanted = part.toLowerCase()
  let find: ((text: string) => boolean) | undefined
  return text => {
    searchedChars.chars += text.length
    if (text.length <= SHORT_TEXT) return text.toLowerCase().includes(wanted)
    checkBound(searchedChars.chars - text.length)
    const lower = lowerCaseOf(text)
    if (wanted.length <= SHORT_PART || wanted.length >= lower.length) return lower.includes(wanted)
    find ??= linearFinder(wanted)
    return find(lower)
  }
}

function checkBound (chars: number): void {
  if (bound.since === undefined) {
    bound.since = ticks()
  } else if (chars >= bound.end && ticks() - bound.since > MAX_MS) {
    throw new FilterError(`The filter takes more than ${MAX_MS} ms on the texts of one record: ` +
      'look for fewer or shorter texts by $contains')
  }
}

const NONE = { text: '', lower: '' }

/** The last long text: several conditions on one field look through the same. */
let lowered = NONE

function lowerCaseOf (text: string): string {
  if (lowered.text !== text) lowered = { text, lower: text.toLowerCase() }
  return lowered.lower
}

/**
 * Searches by Knuth, Morris and Pratt from where the part begins: the engine's own search takes text times
 * part for periodic ones, but finds a beginning fast.
 */
function linearFinder (part: string): (text: string) => boolean {
  const beginning = part.slice(0, SHORT_PART)
  const last = part.length - 1
  const codes = new Uint16Array(part.length)
  for (let i = 0; i <= last; i++) codes[i] = part.charCodeAt(i)
  // Characters that still fit where so many did, and the next one does not.
  const borders = new Uint32Array(part.length)
  for (let i = 1, fits = 0; i <= last; i++) {
    while (fits > 0 && codes[i] !== codes[fits]) fits = borders[fits - 1] as number
    if (codes[i] === codes[fits]) fits++
    borders[i] = fits
  }
  return text => {
    for (let i = 0, fits = 0; i < text.length; i++) {
      if (fits === 0) {
        i = text.indexOf(beginning, i)
        if (i === -1) return false
      }
      const code = text.charCodeAt(i)
      while (fits > 0 && code !== codes[fits]) fits = borders[fits - 1] as number
      if (code !== codes[fits]) continue
      if (fits === last) return true
      fits++
    }
    return false
  }
}
