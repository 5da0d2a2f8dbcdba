import { didYouMean, nearestNames } from '../util/nearest.js'
import { Patterns, type PermissionEntry } from './permission.js'
import type { Problem } from './where.js'

/**
 * The names of all operations, of every mode and of the application, against which permissions are checked.
 */
export class OperationNames {
  readonly #names: ReadonlySet<string>

  constructor (names: Iterable<string>) {
    this.#names = new Set(names)
  }

  has (name: string): boolean {
    return this.#names.has(name)
  }

  /** Whether a pattern fits an operation that starts with `prefix`. */
  fits (pattern: string, prefix = ''): boolean {
    const patterns = new Patterns([pattern])
    for (const name of this.#names) if (name.startsWith(prefix) && patterns.matches(name)) return true
    return false
  }

  /**
   * Returns the question that follows a name or pattern that fits none, where an operation or the pattern of
   * a namespace is near.
   */
  didYouMean (pattern: string): string {
    const namespaces = new Set(
      [...this.#names].filter(name => name.includes('.')).map(name => `${name.slice(0, name.indexOf('.'))}.*`)
    )
    const whole = `${pattern}.*`
    return didYouMean(
      namespaces.has(whole) ? whole : nearestNames(pattern, [...this.#names, ...namespaces])[0]
    )
  }

  /**
   * Says what is wrong with the operations of a permission: the first pattern that fits none. `undefined`
   * when nothing is.
   */
  problemIn ({ allow }: Pick<PermissionEntry, 'allow'>): Problem | undefined {
    const pattern = (typeof allow === 'string' ? [allow] : allow).find(each => !this.fits(each))
    return pattern === undefined
      ? undefined
      : { path: 'allow', problem: `has "${pattern}", which fits no operation${this.didYouMean(pattern)}` }
  }
}
