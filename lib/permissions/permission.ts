import type { Session } from '../protocol/session.js'
import type { ResourceAccess } from './policy.js'
import { Where, whereProblem, type Problem } from './where.js'
import type { RowAccess } from '../store/row-scope.js'

/** A permission as it is written: in `permissions.rules`, and in the roles of the built-in identity. */
export interface PermissionEntry {
  /** Operations: `*` for all, `store.*` for those that start with `store.`, or a name. */
  allow: string | readonly string[]
  /** Restricts `store.*` operations to these buckets, and to the queries that read them or are named here. */
  buckets?: readonly string[] | undefined
  /**
   * Restricts `rules.*` operations to these topics, facts and patterns; `*` and a trailing `.*` or `:*` as in
   * `allow`.
   */
  topics?: readonly string[] | undefined
  /**
   * Restricts the operations to records that match this filter, in which `'$userId'` and, as the list of
   * `$in` or `$nin`, `'$roles'` stand for the user who asks. Such a permission allows what reads and changes
   * records, and nothing else.
   */
  where?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Operations, buckets or topics that a permission names.
 * @limit `VALIDATION_ERROR`
 */
const MAX_ITEMS = 250
/**
 * Characters of the name of an operation, bucket or topic in a permission.
 * @limit `VALIDATION_ERROR`
 */
const MAX_CHARS = 256

/**
 * Texts of which each stands for itself, `*` for all, and one that ends with `.*` or `:*` for what starts
 * with the rest.
 */
export class Patterns {
  readonly #all: boolean
  readonly #exact: ReadonlySet<string>
  readonly #prefixes: readonly string[]

  constructor (patterns: readonly string[]) {
    this.#all = patterns.includes('*')
    this.#exact = new Set(patterns)
    this.#prefixes = patterns
      .filter(pattern => pattern.endsWith('.*') || pattern.endsWith(':*'))
      .map(pattern => pattern.slice(0, -1))
  }

  /** Whether everything that `others` match is matched. */
  cover (others: readonly string[]): boolean {
    return others.every(pattern => this.matches(pattern))
  }

  matches (text: string): boolean {
    return this.#all || this.#exact.has(text) || this.#prefixes.some(prefix => text.startsWith(prefix))
  }
}

/** A permission, ready to be asked. */
export class Permission {
  readonly where: Where | undefined
  readonly #operations: Patterns
  readonly #buckets: ReadonlySet<string> | undefined
  readonly #topics: Patterns | undefined

  constructor (entry: PermissionEntry) {
    this.#operations = new Patterns(typeof entry.allow === 'string' ? [entry.allow] : entry.allow)
    this.#buckets = entry.buckets && new Set(entry.buckets)
    this.#topics = entry.topics && new Patterns(entry.topics)
    this.where = entry.where && new Where(entry.where)
  }

  /**
   * Whether it allows what `touch` does, at least for some records. `source` is the bucket that a touched
   * query reads, where that is known.
   */
  allows (resource: ResourceAccess, source: string | undefined): boolean {
    if (!this.#operations.matches(resource.operation)) return false
    if (this.where !== undefined && !resource.records) return false
    if (resource.operation.startsWith('store.')) return this.#reaches(resource, source)
    return (
      this.#topics === undefined ||
      !resource.operation.startsWith('rules.') ||
      this.#topics.matches(resource.name)
    )
  }

  #reaches (resource: ResourceAccess, source: string | undefined): boolean {
    if (this.#buckets === undefined || this.#buckets.has(resource.name)) return true
    if (resource.type !== 'query') return false
    // What a query in code reads is known when it runs: then each bucket is asked for.
    return source === undefined ? resource.records : this.#buckets.has(source)
  }

  /** Whether it allows a query to read a bucket, when the query runs under `operation`. */
  allowsReading (operation: string, bucket: string): boolean {
    return this.#operations.matches(operation) && (this.#buckets === undefined || this.#buckets.has(bucket))
  }

  /** Whether it names the query itself, which then may read whatever it reads. */
  names (operation: string, query: string): boolean {
    return this.#buckets?.has(query) === true && this.#operations.matches(operation)
  }

  /** Whether it allows all that `entry` would. */
  covers (entry: PermissionEntry): boolean {
    const { allow, buckets, topics } = entry
    return this.where === undefined &&
      this.#operations.cover(typeof allow === 'string' ? [allow] : allow) &&
      (this.#buckets === undefined || buckets?.every(bucket => this.#buckets?.has(bucket)) === true) &&
      (this.#topics === undefined || (topics !== undefined && this.#topics.cover(topics)))
  }

  /** The records that it allows, where it allows something. */
  rows (session: Pick<Session, 'userId' | 'roles'> | undefined): RowAccess {
    return this.where === undefined ? true : this.where.for(session)
  }
}

/**
 * What is wrong with a permission that comes from outside, and in which member; `undefined` when nothing is.
 */
export function ruleProblem (entry: unknown): Problem | undefined {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return { path: '', problem: 'must be an object' }
  }
  const { allow, buckets, topics, where, ...others } = entry as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) return { path: unknown, problem: 'is unknown' }
  if (!isText(allow) && !(isTexts(allow) && allow.length > 0)) {
    return { path: 'allow', problem: 'must be a non-empty text or an array of them' }
  }
  for (const [path, value] of Object.entries({ buckets, topics })) {
    if (value !== undefined && !isTexts(value)) {
      return { path, problem: `must be an array of at most ${MAX_ITEMS} non-empty texts` }
    }
  }
  return where === undefined ? undefined : whereProblem(where)
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_CHARS
}

function isTexts (value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_ITEMS && value.every(isText)
}
