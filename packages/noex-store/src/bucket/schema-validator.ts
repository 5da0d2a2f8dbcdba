import type { BucketDefinition, SchemaDefinition } from '../types/schema.js'
import type { StoreRecord } from '../types/record.js'
import { Bucket } from './bucket.js'

const unlimited = { maxDeletedKeys: 0, maxRecordBytes: Infinity }

/** Makes and checks records of a schema without a store. */
export class SchemaValidator {
  readonly #bucket: Bucket

  /** @throws DefinitionError */
  constructor (
    bucketName: string, schema: SchemaDefinition, keyField: string, validate?: BucketDefinition['validate']
  ) {
    this.#bucket = new Bucket(bucketName, { key: keyField, schema, ...(validate && { validate }) }, unlimited)
  }

  /**
   * Returns the record that `input` becomes.
   * @throws ValidationError
   */
  prepareInsert (input: Record<string, unknown>, autoincrementCounter: number): StoreRecord {
    // The number is taken by the insert itself.
    this.#bucket.counter = autoincrementCounter - 1
    return this.#bucket.maker.insert(input, Date.now())
  }

  /**
   * Returns the record that `existing` becomes by `changes`.
   * @throws ValidationError
   */
  prepareUpdate (existing: StoreRecord, changes: Record<string, unknown>): StoreRecord {
    return this.#bucket.maker.update(existing, changes, Date.now())
  }
}
