import { setImmediate } from 'node:timers/promises'
import { invalid, type NoexServerError } from '../errors.js'
import { didYouMean, nearestNames } from '../nearest.js'
import type { KnownFields } from './known-fields.js'

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

interface GroupRequest {
  readonly field: string | readonly string[]
  readonly aggregate: { readonly field?: string }
  readonly filter?: object | null
}

/** Where fields are looked for. */
export interface FieldScope {
  readonly bucket: string
  /** Whether the request sees some records only: then no field is suggested that the schema does not name. */
  readonly isConfined: boolean
  /** Whether what the request itself has written makes a name a field. */
  readonly isWritten?: (field: string) => boolean
}

/**
 * Refuses fields that no record of the bucket has. Returns nothing where all of them are known, and otherwise
 * a promise: a record may be on its way to be known.
 * @throws `VALIDATION_ERROR` with the nearest field
 */
export function requireFields (
  known: KnownFields,
  scope: FieldScope,
  named: Iterable<NamedField>
): Promise<void> | undefined {
  let unknown: NamedField[] | undefined
  for (const item of named) if (!isKnown(known, scope, item)) (unknown ??= []).push(item)
  return unknown === undefined ? undefined : refuseUnknown(known, scope, unknown)
}

async function refuseUnknown (
  known: KnownFields,
  scope: FieldScope,
  unknown: readonly NamedField[]
): Promise<void> {
  // The store may tell of a write only after it has answered the writer.
  await setImmediate()
  const still = unknown.find(item => !isKnown(known, scope, item))
  if (still !== undefined) throw fieldUnknown(known, scope, still)
}

function isKnown (known: KnownFields, { bucket, isWritten }: FieldScope, { field }: NamedField): boolean {
  return known.has(bucket, field) || isWritten?.(field) === true
}

/** Builds the refusal of a field that no record of the bucket has. */
function fieldUnknown (
  known: KnownFields,
  { bucket, isConfined }: FieldScope,
  { path, field }: NamedField
): NoexServerError {
  const [first = ''] = field.split('.')
  if (first !== field && known.has(bucket, first)) {
    return invalid(path, `is a path into the field "${first}": only whole fields can be named here`)
  }
  const [nearest] = nearestNames(field, isConfined ? known.declared(bucket) : known.all(bucket))
  return invalid(path, `no record of bucket "${bucket}" has this field${didYouMean(nearest)}`)
}
