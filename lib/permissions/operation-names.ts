import { didYouMean, nearestNames } from '../util/nearest.js'
import { Patterns, type PermissionEntry } from './permission.js'
import type { Problem } from './where.js'

/** The names of all operations, of every mode, against which permissions are checked. */
export class OperationNames {
  readonly #names: ReadonlySet<string>

  constructor (names: Iterable<string>) {
    this.#names = new Set(names)
  }

  has (name: string): boolean {
    return this.#names.has(name)
  }

  /** Whether a pattern matches an operation that starts with `prefix`. */
  fits (pattern: string, prefix = ''): boolean {
    const patterns = new Patterns([pattern])
    for (const name of this.#names) if (name.startsWith(prefix) && patterns.matches(name)) return true
    return false
  }

  /** Returns the "did you mean" for a pattern that matches nothing; an empty text when no name is near. */
  didYouMean (pattern: string): string {
    const namespaces = new Set(
      [...this.#names].filter(name => name.includes('.')).map(name => `${name.slice(0, name.indexOf('.'))}.*`)
    )
    const whole = `${pattern}.*`
    return didYouMean(
      namespaces.has(whole) ? whole : nearestNames(pattern, [...this.#names, ...namespaces])[0]
    )
  }

  /** Returns the problem with the first pattern of a permission that matches no operation, if any. */
  problemIn ({ allow }: Pick<PermissionEntry, 'allow'>): Problem | undefined {
    const pattern = (typeof allow === 'string' ? [allow] : allow).find(each => !this.fits(each))
    return pattern === undefined
      ? undefined
      : { path: 'allow', problem: `has "${pattern}", which fits no operation${this.didYouMean(pattern)}` }
  }
}
