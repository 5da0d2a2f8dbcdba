import type { KnownFields } from './known-fields.js'
import { fieldsOfFilter, fieldsOfGroups, requireFields, type NamedField } from './named-fields.js'
import type { RecordInput } from './record-input.js'
import type { TransactionEntry } from './transaction.js'

/**
 * Refuses entries of one transaction that name a field which no record has, and none that an entry before has
 * written.
 */
export class EntryFields {
  readonly #known: KnownFields
  /** The members of what earlier entries write, by bucket. */
  readonly #written = new Map<string, Set<string>>()

  constructor (known: KnownFields) {
    this.#known = known
  }

  /**
   * Looks at the next entry, which has been checked otherwise; `path` is that of the entry, with a dot at its
   * end. `isConfined` says whether it sees some records only.
   * @throws `VALIDATION_ERROR` with the nearest field
   */
  async check (entry: TransactionEntry, isConfined: boolean, path = ''): Promise<void> {
    const { bucket } = entry
    const isWritten = (field: string): boolean => this.#written.get(bucket)?.has(field) === true
    await requireFields(this.#known, { bucket, isConfined, isWritten }, fieldsOfEntry(entry, path))
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
  return 'filter' in entry ? fieldsOfFilter(entry.filter, `${path}filter`) : []
}
