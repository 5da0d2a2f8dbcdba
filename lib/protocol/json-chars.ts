/**
 * Returns how many characters the JSON of a value leaves of so many, at most; negative: too few. Takes no
 * longer for a very long one.
 * @throws {TypeError} for a bigint, which JSON cannot hold
 */
export function charsLeft (value: unknown, chars: number): number {
  if (typeof value === 'string') return chars - value.length - 2
  if (typeof value === 'bigint') throw new TypeError('JSON cannot hold a bigint')
  if (typeof value !== 'object' || value === null) return chars - 1
  let left = chars - 2
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = charsLeft(value[i], left)
    return left
  }
  for (const name in value) {
    left = charsLeft((value as Readonly<Record<string, unknown>>)[name], left - name.length - 3)
    if (left < 0) return left
  }
  return left
}
