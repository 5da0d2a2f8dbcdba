import type { Session } from '../protocol/session.js'
import type { ResourceAccess } from './policy.js'
import { Where, whereProblem, type Problem } from './where.js'
import type { RowAccess } from '../store/row-scope.js'

/** A permission in `permissions.rules` or in a role of the built-in identity. */
export interface PermissionEntry {
  /** Operations: `*` for all, `store.*` for those that start with `store.`, or a name. */
  allow: string | readonly string[]
  /**
   * Restricts `store.*` operations, and those of the application that name buckets, to these buckets, and to
   * the queries that read them or are named here.
   */
  buckets?: readonly string[] | undefined
  /**
   * Restricts `rules.*` operations, and those of the application that name topics, to these topics, facts and
   * patterns; `*` and a trailing `.*` or `:*` as in `allow`.
   */
  topics?: readonly string[] | undefined
  /**
   * Restricts the operations to records that match this filter, in which `'$userId'` and, as the list of
   * `$in` or `$nin`, `'$roles'` stand for the user of the request. Such a permission allows operations that
   * read or change records, and no others.
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
 * Patterns of names: `*` matches all, a trailing `.*` or `:*` the names with that prefix, any other itself.
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

  /** Whether all names that `others` match are matched. */
  cover (others: readonly string[]): boolean {
    return others.every(pattern => this.matches(pattern))
  }

  matches (text: string): boolean {
    return this.#all || this.#exact.has(text) || this.#prefixes.some(prefix => text.startsWith(prefix))
  }
}

/** A compiled permission. */
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
   * Whether it allows the access, at least to some records. `source` is the bucket that a query reads, where
   * that is known.
   */
  allows (resource: ResourceAccess, source: string | undefined): boolean {
    if (!this.#operations.matches(resource.operation)) return false
    if (this.where !== undefined && !resource.records) return false
    const { operation, type } = resource
    if (operation.startsWith('store.') || type === 'bucket' || type === 'query') {
      return this.#coversBucket(resource, source)
    }
    const isOfRules = operation.startsWith('rules.') || type === 'topic'
    return this.#topics === undefined || !isOfRules || this.#topics.matches(resource.name)
  }

  #coversBucket (resource: ResourceAccess, source: string | undefined): boolean {
    if (this.#buckets === undefined || this.#buckets.has(resource.name)) return true
    if (resource.type !== 'query') return false
    // The buckets of a query in code are known when it runs: then each is checked.
    return source === undefined ? resource.records : this.#buckets.has(source)
  }

  /** Whether it allows a query to read a bucket, when the query runs under `operation`. */
  allowsReading (operation: string, bucket: string): boolean {
    return this.#operations.matches(operation) && (this.#buckets === undefined || this.#buckets.has(bucket))
  }

  /** Whether it names the query itself, which may then read any bucket. */
  names (operation: string, query: string): boolean {
    return this.#buckets?.has(query) === true && this.#operations.matches(operation)
  }

  /** Whether it allows everything that `entry` allows. */
  covers (entry: PermissionEntry): boolean {
    const { allow, buckets, topics } = entry
    return this.where === undefined &&
      this.#operations.cover(typeof allow === 'string' ? [allow] : allow) &&
      (this.#buckets === undefined || buckets?.every(bucket => this.#buckets?.has(bucket)) === true) &&
      (this.#topics === undefined || (topics !== undefined && this.#topics.cover(topics)))
  }

  /** Returns the records that it allows for a session. */
  rows (session: Pick<Session, 'userId' | 'roles'> | undefined): RowAccess {
    return this.where === undefined ? true : this.where.for(session)
  }
}

/** Returns the problem with an unchecked permission and the member that has it; `undefined` when valid. */
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
