import {
  fieldsOfFilter, fieldsOfGroups, fieldsOfIncrement, requireFields, type NamedField
} from './named-fields.js'
import type { RecordInput } from './writes.js'
import type { RowScope } from './row-scope.js'
import type { SharedStore } from './shared-store.js'
import type { TransactionEntry } from './transaction-entry.js'

/** Refuses entries of one transaction that name a field which neither a record nor an earlier entry has. */
export class EntryFields {
  readonly #sharedStore: SharedStore
  /** Fields that earlier entries write, by bucket. */
  readonly #written = new Map<string, Set<string>>()

  constructor (sharedStore: SharedStore) {
    this.#sharedStore = sharedStore
  }

  /**
   * Checks the fields that the next entry names; `path` is the path of the entry, with a dot at its end.
   * Fields of records outside of `rowScope` do not count. Returns a promise where records must be read.
   * @throws `VALIDATION_ERROR` with the nearest field
   */
  check (
    entry: TransactionEntry, rowScope: Pick<RowScope, 'rows' | 'work'>, path = ''
  ): Promise<void> | undefined {
    const { bucket } = entry
    const isWritten = (field: string): boolean => this.#written.get(bucket)?.has(field) === true
    const rows = rowScope.rows(`store.${entry.op}`, bucket)
    const scope = { bucket, rows, work: rowScope.work, isWritten }
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
