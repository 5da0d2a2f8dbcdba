import { FieldIndex } from '../index/field-index.js'
import { OrderedIndex } from '../index/ordered-index.js'
import type { BucketSchema } from '../schema/bucket-schema.js'
import { compareKeys } from '../rows/compare-keys.js'
import { ExpiryHeap } from './expiry-heap.js'
import { KeyMap } from '../rows/key-map.js'
import type { Row } from '../rows/row.js'
import { RowSequence } from '../rows/row-sequence.js'

/** Hears of a row that is about to change or go. */
interface RowWatcher {
  keep (row: Row): void
}

/** The records of a bucket with everything that finds them. Clearing a bucket swaps it as a whole. */
export class Contents {
  readonly rows = new KeyMap<Row>()
  readonly sequence = new RowSequence()
  readonly indexes: readonly FieldIndex[]
  readonly byField: ReadonlyMap<string, FieldIndex>
  readonly uniques: readonly FieldIndex[]
  /** Rows by key, for a bucket that is sorted by key. */
  readonly byKey: OrderedIndex | undefined
  readonly expiry: ExpiryHeap | undefined
  /** Told of each row before it changes: views that are being read in slices, and copies in the making. */
  readonly snapshots = new Set<RowWatcher>()
  /** Estimated bytes of all records. */
  bytes = 0

  constructor (schema: BucketSchema) {
    this.indexes = schema.indexes.map(index => new FieldIndex({
      ...index, normalize: schema.normalizeOf(index.field), scalarType: scalarTypeOf(schema, index.field)
    }))
    this.byField = new Map(this.indexes.map(index => [index.options.field, index]))
    this.uniques = this.indexes.filter(({ options }) => options.isUnique)
    this.byKey = schema.isOrdered ? new OrderedIndex(compareKeys) : undefined
    this.expiry = schema.ttlMs === undefined ? undefined : new ExpiryHeap()
  }
}

function scalarTypeOf (schema: BucketSchema, field: string): 'number' | 'string' | undefined {
  const type = schema.typeOf(field)
  return type === 'date' ? 'number' : type === 'number' || type === 'string' ? type : undefined
}
