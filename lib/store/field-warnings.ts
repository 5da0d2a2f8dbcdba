import type { DeclarativeQueryConfig } from '@hamicek/noex-store'
import type { Log } from '../util/log.js'
import { cut, nearestNames } from '../util/nearest.js'
import { fieldsIn, fieldsOfFilter, firstOf, type NamedField } from './named-fields.js'
import type { SharedStore } from './shared-store.js'
import { isSystemBucket } from './system-buckets.js'

/** Number of warnings that are kept, so that none is repeated. */
const MAX_WARNINGS = 1_000

/** A permission that is limited to the records which match `where`. */
export interface RowRule {
  /** The role that has the permission. */
  readonly role: string
  /** The buckets to which it applies; `undefined`: all of them. */
  readonly buckets: readonly string[] | undefined
  readonly where: object
}

/**
 * Warns of queries and row rules that name a field which no record has. They match nothing so far; they are
 * not refused, because records with the field may be added.
 */
export class FieldWarnings {
  readonly #sharedStore: SharedStore
  readonly #log: Log
  readonly #rules: () => Iterable<RowRule>
  readonly #warned = new Set<string>()
  #stop = (): void => {}

  constructor (sharedStore: SharedStore, log: Log, rules: () => Iterable<RowRule>) {
    this.#sharedStore = sharedStore
    this.#log = log
    this.#rules = rules
  }

  /** Checks all queries and row rules, and each query that is defined later. */
  start (): void {
    const sharedStore = this.#sharedStore
    this.#stop = sharedStore.store.onCommit(({ changes }) => {
      for (const change of changes) {
        if (change.type === 'query') this.#checkQuery(change.query)
      }
    })
    for (const { name } of sharedStore.store.getQueries()) this.#checkQuery(name)
    this.checkRules()
  }

  /** Checks the row rules again: they may have changed. */
  checkRules (): void {
    const buckets = this.#sharedStore.bucketNames().filter(name => !isSystemBucket(name, this.#sharedStore))
    for (const rule of this.#rules()) this.#checkRule(rule, buckets)
  }

  stop (): void {
    this.#stop()
  }

  #checkQuery (query: string): void {
    const config = this.#sharedStore.store.getQueryInfo(query)?.config
    if (config === undefined) return
    for (const item of fieldsOfQuery(config)) {
      if (this.#isKnown(config.bucket, item)) continue
      this.#warn(
        { query, bucket: config.bucket, ...item },
        'a query names a field that no record of its bucket has'
      )
    }
  }

  /** Checks a row rule. For a rule of all buckets, one bucket that has the field is enough. */
  #checkRule ({ role, buckets, where }: RowRule, all: readonly string[]): void {
    const concerned = all.filter(bucket => buckets?.includes(bucket) !== false)
    for (const item of fieldsOfFilter(where, 'where')) {
      const without = concerned.filter(bucket => !this.#isKnown(bucket, item))
      const isNowhere = all.length > 0 && without.length === all.length
      for (const bucket of buckets !== undefined ? without : isNowhere ? ['*'] : []) {
        this.#warn({ role, bucket, ...item }, 'a permission selects records by a field that none has')
      }
    }
  }

  /** Returns whether a field is known. Only in `fields` of a query must a name be that of a whole field. */
  #isKnown (bucket: string, { path, field }: NamedField): boolean {
    const { fields } = this.#sharedStore
    return fields.has(bucket, field) || (!path.startsWith('fields') && fields.has(bucket, firstOf(field)))
  }

  #warn (found: Found, message: string): void {
    // Names come from clients, too, and have any length.
    const members = Object.entries(found) as Array<[string, string]>
    const shown = Object.fromEntries(members.map(([name, value]) => [name, cut(value)]))
    const key = JSON.stringify(shown)
    if (this.#warned.has(key) || this.#warned.size === MAX_WARNINGS) return
    this.#warned.add(key)
    const [nearest] = nearestNames(found.field, this.#sharedStore.fields.all(found.bucket))
    this.#log.warn(nearest === undefined ? shown : { ...shown, nearest }, message)
  }
}

/** A field that no record has, and the query or role that names it. */
interface Found extends NamedField {
  readonly bucket: string
  readonly query?: string
  readonly role?: string
}

function fieldsOfQuery ({ filter, sort = {}, fields, aggregate }: DeclarativeQueryConfig): NamedField[] {
  return [
    ...fieldsOfFilter(filter, 'filter'),
    ...Object.keys(sort).map(field => ({ path: `sort.${field}`, field })),
    ...fieldsIn(fields, 'fields'),
    ...fieldsIn(aggregate?.field, 'aggregate.field'),
    ...fieldsIn(aggregate?.groupBy as string | string[] | undefined, 'aggregate.groupBy')
  ]
}
