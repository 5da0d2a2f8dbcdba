import type { StoreRecord, WhereFilter } from '@hamicek/noex-store'
import { invalid, type NoexServerError } from '../protocol/errors.js'
import { didYouMean, nearestNames } from '../util/nearest.js'
import type { SharedStore } from './shared-store.js'
import type { Work } from './work.js'

/** A field of records that a request names, and the path at which it does so. */
export interface NamedField {
  readonly path: string
  readonly field: string
}

/** Returns the fields that a checked filter names. */
export function * fieldsOfFilter (filter: object | null | undefined, path: string): Iterable<NamedField> {
  for (const [field, value] of Object.entries(filter ?? {})) {
    if (field === '$or' || field === '$and') {
      for (const [i, part] of (value as readonly object[]).entries()) {
        yield * fieldsOfFilter(part, `${path}.${field}[${i}]`)
      }
    } else {
      yield { path: `${path}.${field}`, field }
    }
  }
}

/** Returns the fields in a property that is a name or a list of names. */
export function fieldsIn (names: string | readonly string[] | undefined, path: string): NamedField[] {
  if (names === undefined) return []
  return typeof names === 'string'
    ? [{ path, field: names }]
    : names.map((field, i) => ({ path: `${path}[${i}]`, field }))
}

/** Returns the fields that a request for groups names. */
export function fieldsOfGroups (request: GroupRequest, path = ''): NamedField[] {
  const { field, aggregate, filter } = request
  return [
    ...fieldsIn(field, `${path}field`),
    ...fieldsIn(aggregate.field, `${path}aggregate.field`),
    ...fieldsOfFilter(filter, `${path}filter`)
  ]
}

/** Returns the field of an increment; a name that every object has is refused by `checkCounter`. */
export function fieldsOfIncrement (field: string, path: string): NamedField[] {
  return field in Object.prototype ? [] : fieldsIn(field, path)
}

interface GroupRequest {
  readonly field: string | readonly string[]
  readonly aggregate: { readonly field?: string }
  readonly filter?: object | null
}

/** The bucket and the records in which fields are looked up. */
interface FieldScope {
  readonly bucket: string
  /**
   * The records that the request may read; `undefined`: all. Fields of other records do not count, so that no
   * reply reveals them.
   */
  readonly rows: WhereFilter | undefined
  /** Counts the work of reading records. */
  readonly work: Work
  /** Returns whether the request itself has written the field. */
  readonly isWritten?: (field: string) => boolean
}

type FieldSource = Pick<SharedStore, 'fields' | 'bucket'>

/** Returns whether a name is a field. */
type Knows = (field: string) => boolean

/**
 * Refuses fields that no record of the bucket within the scope has. Returns `undefined` where all are known,
 * and otherwise a promise, since records may have to be read.
 * @throws `VALIDATION_ERROR` with the nearest field
 */
export function requireFields (
  source: FieldSource,
  scope: FieldScope,
  named: Iterable<NamedField>
): Promise<void> | undefined {
  const { bucket, rows, isWritten } = scope
  const { fields } = source
  const isDeclared: Knows = field => fields.isDeclared(bucket, field) || isWritten?.(field) === true
  const knows: Knows = field => fields.has(bucket, field) || isWritten?.(field) === true
  const isKnown = rows === undefined ? knows : isDeclared
  let unknown: NamedField[] | undefined
  for (const item of named) if (!isKnown(item.field)) (unknown ??= []).push(item)
  if (unknown === undefined) return undefined
  return rows === undefined
    ? refuseUnknown(source, scope, unknown, knows)
    : refuseUnseen(source, scope, unknown, isDeclared, rows)
}

async function refuseUnknown (
  { fields }: FieldSource, { bucket }: FieldScope, unknown: readonly NamedField[], knows: Knows
): Promise<void> {
  refuse(bucket, unknown, knows, () => fields.all(bucket))
}

/** Reads the records within the scope only, so that the result does not depend on others. */
async function refuseUnseen (
  source: FieldSource,
  { bucket, work }: FieldScope,
  unknown: readonly NamedField[],
  isDeclared: Knows,
  rows: WhereFilter
): Promise<void> {
  const names = new Set(unknown.flatMap(({ field }) => [field, firstOf(field)]))
  const records = await source.bucket(bucket, { scope: rows, work }).all()
  const seen = records.length === 0 ? undefined : await propertiesAmong(records, names, work)
  // Only its records would show which fields they have.
  if (seen === undefined && source.fields.isSchemaless(bucket)) return
  refuse(bucket, unknown, field => isDeclared(field) || seen?.has(field) === true,
    () => source.fields.declared(bucket))
}

/** Returns those of the names that are properties of a record. Yields to other work in between. */
async function propertiesAmong (
  records: readonly StoreRecord[], names: ReadonlySet<string>, work: Work
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  await work.each(records, names.size, record => {
    for (const name of names) if (Object.hasOwn(record, name)) found.add(name)
    return found.size < names.size
  })
  return found
}

/** Refuses the first field that is not known; `likely` returns the fields to suggest. */
function refuse (
  bucket: string, named: readonly NamedField[], isKnown: Knows, likely: () => readonly string[]
): void {
  const item = named.find(({ field }) => !isKnown(field))
  if (item !== undefined) throw fieldUnknown(bucket, item, isKnown, likely())
}

/** Builds the refusal of a field that no record of the bucket has. */
function fieldUnknown (
  bucket: string, { path, field }: NamedField, isKnown: Knows, likely: readonly string[]
): NoexServerError {
  const first = firstOf(field)
  if (first !== field && isKnown(first)) {
    return invalid(path, `is a path into the field "${first}": only whole fields can be named here`)
  }
  const [nearest] = nearestNames(field, likely)
  return invalid(path, `no record of bucket "${bucket}" has this field${didYouMean(nearest)}`)
}

/** Returns the part of a name before its first dot. */
export function firstOf (field: string): string {
  return field.split('.', 1)[0] ?? ''
}
