import {
  fieldsOfFilter, fieldsOfGroups, fieldsOfIncrement, requireFields, type NamedField
} from './named-fields.js'
import type { RowScope } from './row-scope.js'
import type { RecordInput } from './record-input.js'
import type { SharedStore } from './shared-store.js'
import type { TransactionEntry } from './transaction-entry.js'

/**
 * Refuses entries of one transaction that name a field which no record has, and none that an entry before has
 * written.
 */
export class EntryFields {
  readonly #sharedStore: SharedStore
  /** The members of what earlier entries write, by bucket. */
  readonly #written = new Map<string, Set<string>>()

  constructor (sharedStore: SharedStore) {
    this.#sharedStore = sharedStore
  }

  /**
   * Looks at the next entry, which has been checked otherwise; `path` is that of the entry, with a dot at its
   * end. Records that `reach` hides from it make no name a field. Returns `undefined` when it has looked.
   * @throws `VALIDATION_ERROR` with the nearest field
   */
  check (
    entry: TransactionEntry, reach: Pick<RowScope, 'rows' | 'work'>, path = ''
  ): Promise<void> | undefined {
    const { bucket } = entry
    const isWritten = (field: string): boolean => this.#written.get(bucket)?.has(field) === true
    const scope = { bucket, rows: reach.rows(`store.${entry.op}`, bucket), work: reach.work, isWritten }
    const checking = requireFields(this.#sharedStore, scope, fieldsOfEntry(entry, path))
    if (checking !== undefined) return checking.then(() => { this.#keepEntry(entry) })
    this.#keepEntry(entry)
    return undefined
  }

  #keepEntry (entry: TransactionEntry): void {
    const { bucket } = entry
    if ('data' in entry) this.#keep(bucket, entry.data)
    if (entry.op === 'increment') this.#keep(bucket, { [entry.field]: entry.by })
  }

  #keep (bucket: string, data: RecordInput | readonly RecordInput[]): void {
    const written = this.#written.get(bucket) ?? new Set()
    this.#written.set(bucket, written)
    for (const record of Array.isArray(data) ? data as readonly RecordInput[] : [data]) {
      for (const name of Object.keys(record)) written.add(name)
    }
  }
}

function fieldsOfEntry (entry: TransactionEntry, path: string): Iterable<NamedField> {
  if (entry.op === 'groupBy') return fieldsOfGroups(entry, path)
  if (entry.op === 'increment') return fieldsOfIncrement(entry.field, `${path}field`)
  return 'filter' in entry ? fieldsOfFilter(entry.filter, `${path}filter`) : []
}
