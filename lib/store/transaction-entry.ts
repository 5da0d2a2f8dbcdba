import type { Aggregate, WhereFilter } from '@hamicek/noex-store'
import type { Increment } from './arithmetic.js'
import type { RecordInput } from './writes.js'

interface MaybeVersion {
  /** The `_version` that the record must have. */
  readonly expectedVersion?: number | undefined
}

/** A checked entry of a transaction. PROTOCOL.md, "Transactions". */
export type TransactionEntry = { readonly bucket: string } & (
  | { readonly op: 'get', readonly key: unknown }
  | { readonly op: 'insert', readonly data: RecordInput }
  | { readonly op: 'upsert', readonly data: RecordInput } & MaybeVersion
  | { readonly op: 'insertMany', readonly data: readonly RecordInput[] }
  | { readonly op: 'update', readonly key: unknown, readonly data: RecordInput } & MaybeVersion
  | { readonly op: 'increment' } & Increment
  | { readonly op: 'updateMany', readonly filter: WhereFilter, readonly data: RecordInput }
  | { readonly op: 'delete', readonly key: unknown } & MaybeVersion
  | { readonly op: 'where', readonly filter: WhereFilter, readonly limit?: number | null }
  | { readonly op: 'deleteMany' | 'findOne', readonly filter: WhereFilter }
  | { readonly op: 'count', readonly filter?: WhereFilter | null }
  | {
    readonly op: 'groupBy'
    readonly field: string | string[]
    readonly aggregate: Aggregate
    readonly filter?: WhereFilter | null
  })
