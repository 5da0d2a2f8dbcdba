import type { StoreRecord, WhereFilter } from '@hamicek/noex-store'
import { invalid, type NoexServerError } from '../protocol/errors.js'
import { didYouMean, nearestNames } from '../util/nearest.js'
import type { SharedStore } from './shared-store.js'
import type { Work } from './work.js'

/** A field of records that a request names, and where it does so. */
export interface NamedField {
  readonly path: string
  readonly field: string
}

/** Tells the fields that a filter, which has been checked, names. */
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

/** Tells the fields in a member that is a name or a list of names. */
export function fieldsIn (names: string | readonly string[] | undefined, path: string): NamedField[] {
  if (names === undefined) return []
  return typeof names === 'string'
    ? [{ path, field: names }]
    : names.map((field, i) => ({ path: `${path}[${i}]`, field }))
}

/** Tells the fields that a request for groups names. */
export function fieldsOfGroups (request: GroupRequest, path = ''): NamedField[] {
  const { field, aggregate, filter } = request
  return [
    ...fieldsIn(field, `${path}field`),
    ...fieldsIn(aggregate.field, `${path}aggregate.field`),
    ...fieldsOfFilter(filter, `${path}filter`)
  ]
}

/** Tells the field of an increment; one that every object has is refused by the increment itself. */
export function fieldsOfIncrement (field: string, path: string): NamedField[] {
  return field in Object.prototype ? [] : fieldsIn(field, path)
}

interface GroupRequest {
  readonly field: string | readonly string[]
  readonly aggregate: { readonly field?: string }
  readonly filter?: object | null
}

/** Where fields are looked for. */
export interface FieldScope {
  readonly bucket: string
  /**
   * The records that the request sees; `undefined`: all of them. Those that it does not see make no name a
   * field, so that no answer tells what they have.
   */
  readonly rows: WhereFilter | undefined
  /** What looking at the records takes. */
  readonly work: Work
  /** Whether what the request itself has written makes a name a field. */
  readonly isWritten?: (field: string) => boolean
}

type Access = Pick<SharedStore, 'fields' | 'bucket'>

/** Tells whether a name is a field. */
type Knows = (field: string) => boolean

/**
 * Refuses fields that no record of the bucket has that the request sees. Returns nothing where all of them
 * are known, and otherwise a promise: records may have to be looked at.
 * @throws `VALIDATION_ERROR` with the nearest field
 */
export function requireFields (
  access: Access,
  scope: FieldScope,
  named: Iterable<NamedField>
): Promise<void> | undefined {
  const { bucket, rows, isWritten } = scope
  const { fields } = access
  const isDeclared: Knows = field => fields.isDeclared(bucket, field) || isWritten?.(field) === true
  const knows: Knows = field => fields.has(bucket, field) || isWritten?.(field) === true
  const isKnown = rows === undefined ? knows : isDeclared
  let unknown: NamedField[] | undefined
  for (const item of named) if (!isKnown(item.field)) (unknown ??= []).push(item)
  if (unknown === undefined) return undefined
  return rows === undefined
    ? refuseUnknown(access, scope, unknown, knows)
    : refuseUnseen(access, scope, unknown, isDeclared, rows)
}

async function refuseUnknown (
  { fields }: Access, { bucket }: FieldScope, unknown: readonly NamedField[], knows: Knows
): Promise<void> {
  refuse(bucket, unknown, knows, () => fields.all(bucket))
}

/** Looks at the records within reach only, so that nothing depends on the others. */
async function refuseUnseen (
  access: Access,
  { bucket, work }: FieldScope,
  unknown: readonly NamedField[],
  isDeclared: Knows,
  rows: WhereFilter
): Promise<void> {
  const names = new Set(unknown.flatMap(({ field }) => [field, firstOf(field)]))
  const records = await access.bucket(bucket, { scope: rows, work }).all()
  const seen = records.length === 0 ? undefined : await membersAmong(records, names, work)
  // Only the records of such a bucket will tell what they are like.
  if (seen === undefined && access.fields.isSchemaless(bucket)) return
  refuse(bucket, unknown, field => isDeclared(field) || seen?.has(field) === true,
    () => access.fields.declared(bucket))
}

/** Returns the names of these that are members of a record, in slices. */
async function membersAmong (
  records: readonly StoreRecord[], names: ReadonlySet<string>, work: Work
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  await work.each(records, names.size, record => {
    for (const name of names) if (Object.hasOwn(record, name)) found.add(name)
    return found.size < names.size
  })
  return found
}

/** Refuses the first field that is not known; `likely` tells those that may have been meant. */
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
