/** The type of a field's values. A `date` is a `Date`, a number of epoch milliseconds or an ISO 8601 text. */
export type FieldType = 'string' | 'number' | 'boolean' | 'object' | 'array' | 'date'
/** A value that the store makes for a field which an insert leaves out. */
export type GeneratedType = 'uuid' | 'cuid' | 'autoincrement' | 'timestamp'
export type FormatType = 'email' | 'url' | 'iso-date'
/** Order of a bucket: `ordered_set` is sorted by key, every other one is in order of insertion. */
export type EtsTableType = 'set' | 'ordered_set' | 'bag' | 'duplicate_bag'
/** Effect of deleting a record on the records that refer to it. */
export type OnDeleteAction = 'restrict' | 'cascade' | 'set_null'

/** Definition of one field. */
export interface FieldDefinition {
  readonly type: FieldType
  readonly required?: boolean
  /** Value of a field that an insert leaves out, or the function that makes it. */
  readonly default?: unknown
  readonly generated?: GeneratedType
  readonly enum?: readonly unknown[]
  readonly format?: FormatType
  readonly min?: number
  readonly max?: number
  readonly minLength?: number
  readonly maxLength?: number
  /** Regular expression that texts must match. Matching one text is given up after 50 ms. */
  readonly pattern?: string
  /** Bucket whose keys the field holds. */
  readonly ref?: string
  /** @default 'restrict' */
  readonly onDelete?: OnDeleteAction
  readonly unique?: boolean
  /** Fields of an `object`. */
  readonly properties?: SchemaDefinition
  /** Definition of the elements of an `array`. */
  readonly items?: FieldDefinition
  /**
   * Returns the message that refuses the value, or `undefined`; or a promise of it, which a write waits for
   * before its commit. Such a validator may run again when the record has changed meanwhile.
   */
  readonly validate?: (
    value: unknown, record: Record<string, unknown>
  ) => string | undefined | Promise<string | undefined>
}

export type SchemaDefinition = Readonly<Record<string, FieldDefinition>>

/** Definition of a bucket. */
export interface BucketDefinition {
  /** The field that holds the primary key: of type string, number, boolean or date. */
  readonly key: string
  readonly schema: SchemaDefinition
  readonly indexes?: readonly string[]
  readonly etsType?: EtsTableType
  /**
   * Whether an adapter of `persistence` saves the bucket.
   * @default true
   */
  readonly persistent?: boolean
  /**
   * Whether its records end with the connection that has written them, where a server serves the store. They
   * end with the process too, as those of `persistent: false`: a log has them until the next start removes
   * them, and no backup and no adapter has them.
   * @default false
   */
  readonly ephemeral?: boolean
  /** Lifetime of a record: milliseconds, or a text such as `1s`, `30m`, `1h`, `7d`. */
  readonly ttl?: number | string
  /** Number of records above which the oldest are evicted. */
  readonly maxSize?: number
  /** Number of records above which inserts are refused by `QuotaExceededError`. */
  readonly maxRecords?: number
  /** Estimated bytes above which inserts and updates are refused by `QuotaExceededError`. */
  readonly maxBytes?: number
  /** Returns the messages that refuse the record, or `undefined`; or a promise, as that of a field. */
  readonly validate?: (
    record: Record<string, unknown>
  ) => string[] | undefined | Promise<string[] | undefined>
}

/** Change of a bucket's definition that keeps its records. */
export interface BucketSchemaUpdate {
  /** Fields to add; an existing one is refused. */
  readonly addFields?: Readonly<Record<string, FieldDefinition>>
  /** Fields of the schema to index. */
  readonly addIndexes?: readonly string[]
  /** New lifetime of records; `null` removes it. */
  readonly ttl?: number | string | null
}

/** The names of the members that the records of a bucket have or had since it was defined. */
export interface BucketFields {
  /** Whether there are too many names, or too long ones, to know: then every name counts as one. */
  readonly isFull: boolean
  /** Whether a record has or had a member of this name. */
  has (name: string): boolean
  /** All names that are known; none where there are too many. */
  list (): readonly string[]
}

/**
 * Path by which a bucket without any definition says what is missing: it was imported, and its present
 * definition is a guess that the first one of a process replaces.
 */
export const WHOLE_DEFINITION = 'definition'

/** A bucket of a log that takes no writes. */
export interface IncompleteBucket {
  readonly bucket: string
  /**
   * Paths of the functions of its definition that were not handed in, such as `schema.age.validate`;
   * `definition` alone for a bucket that was imported and has none.
   */
  readonly functions: readonly string[]
}
