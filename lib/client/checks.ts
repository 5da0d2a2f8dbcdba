import { messageOf } from './report.js'

/** Kinds of values that several functions ask for. */
export const TEXT = 'a non-empty string'
export const MILLISECONDS = 'a number of milliseconds above 0'

/**
 * Throws unless a value is of a kind, which is said in words: they have the types that fit, as `typeof` names
 * them, `array` for arrays and `false`. Numbers are above 0, or from it on where `kind` begins with 0. An
 * empty text never fits.
 * @throws `TypeError` that names the value and says what it must be
 */
export function mustBe (name: string, value: unknown, kind: string): void {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  const isRight = typeof value === 'number' ? value > 0 || (value === 0 && kind[0] === '0') : value !== ''
  if ((isRight && kind.includes(type)) || (value === false && kind.includes('false'))) return
  throw new TypeError(`${name} must be ${kind}`)
}

/**
 * Checks options by the kinds of all that there are. Returns those that are not `undefined`, read once.
 * @throws `TypeError` that begins with `owner`, names the option, and says what it must be, or which there
 * are
 */
export function checkOptions<T extends object> (
  owner: string, options: T, kinds: Readonly<Record<keyof T, string>>
): T {
  mustBe(`${owner}: options`, options, 'an object')
  const checked: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    mustBeOneOf(`${owner}: there is no option`, name, Object.keys(kinds))
    mustBe(`${owner}: ${name}`, value, kinds[name as keyof T])
    checked[name] = value
  }
  return checked as T
}

/** @throws `TypeError` that says `problem` and the name, and those that there are, the most like it first */
export function mustBeOneOf (problem: string, name: string, names: string[]): void {
  if (names.includes(name)) return
  const shown = name.slice(0, 40)
  const likeness = (other: string): number => [...shown]
    .filter((char, i, all) => other.includes(char + all[i + 1])).length
  names.sort((a, b) => likeness(b) - likeness(a))
  throw new TypeError(`${problem} ${shown}: there are ${names.join(', ')}`)
}

/** Returns the JSON of a value. @throws `TypeError` that names it where there is none */
export function jsonOf (
  name: string, value: unknown, replacer?: (name: string, value: any) => unknown
): string {
  let json: unknown
  try {
    json = JSON.stringify(value, replacer)
  } catch (error) {
    json = error
  }
  if (typeof json === 'string') return json
  throw new TypeError(`${name} must be JSON: ${messageOf(json)}`)
}
