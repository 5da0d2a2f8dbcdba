import type { BucketDefinition, StoreRecord } from '@hamicek/noex-store'
import { invalid } from '../protocol/errors.js'
import { add } from '../util/arithmetic.js'
import { metadata, refuseInherited } from './known-fields.js'

/** A number to add to a field of a record. */
export interface Increment {
  readonly key: unknown
  readonly field: string
  readonly by: number
  readonly expectedVersion?: number
}

/** @throws `VALIDATION_ERROR` for a field that no update changes */
export function checkCounter ({ key, schema }: BucketDefinition, field: string): void {
  refuseInherited(field, 'field', `"${field}" `)
  const isGenerated = Object.hasOwn(schema, field) && schema[field]?.generated !== undefined
  const isFixed = field === key || metadata.has(field) || isGenerated
  if (isFixed) throw invalid('field', `"${field}" cannot be changed: the key and generated fields stay`)
}

/**
 * Returns what the field is to hold; absent or `null` counts as 0.
 * @throws `VALIDATION_ERROR` when it holds no number, or the sum is too large or not exact
 */
export function incremented (record: StoreRecord, field: string, by: number): number {
  const value = record[field] ?? 0
  if (typeof value !== 'number') throw invalid('field', `"${field}" of the record holds no number`)
  return add(value, by, `field "${field}"`)
}
