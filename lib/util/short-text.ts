/** Names in one list. */
const MAX_NAMES = 20

/** Characters of a name in a list. */
const MAX_NAME = 64

/**
 * Returns a text, or its first characters where it is longer than `max`. That is a copy which is well-formed
 * and does not keep the long one in memory, as a part of it would.
 */
export function shortText (text: string, max: number): string {
  return text.length <= max ? text.toWellFormed() : Buffer.from(text.slice(0, max)).toString()
}

/** Returns the first of some names, none of them long, for a line of the log or a list. */
export function shortNames (names: readonly string[]): string[] {
  return names.slice(0, MAX_NAMES).map(name => shortText(name, MAX_NAME))
}

/** Returns the number of rows of a result; `undefined` where it is no list. */
export function rowsIn (result: unknown): number | undefined {
  if (Array.isArray(result)) return result.length
  const records = typeof result === 'object' && result !== null && 'records' in result && result.records
  return Array.isArray(records) ? records.length : undefined
}
