import { Type } from 'typebox'
import { invalid } from './errors.js'
import type { RequestMessage } from './messages.js'

/** A non-empty string. */
export const Name = Type.String({ minLength: 1 })

/** A JSON object. */
export const JsonObject = Type.Record(Type.String(), Type.Unknown())

/** A JSON object; `null` counts as absent. */
export const MaybeObject = Type.Optional(Type.Union([Type.Null(), JsonObject]))

/** A primary key: any value but `null`. */
export const Key = Type.Union([
  Type.String(),
  Type.Number(),
  Type.Boolean(),
  JsonObject,
  Type.Array(Type.Unknown())
])

/**
 * Records of one `insertMany`.
 * @limit `VALIDATION_ERROR`
 */
const MAX_BATCH = 10_000

/** The records of one `insertMany`. */
export const RecordBatch = Type.Array(JsonObject, { maxItems: MAX_BATCH })

/** Whether a login asks for the notice `session_ended`. */
export const SessionNotice = Type.Optional(Type.Boolean())

/** An integer of at least 1. */
export const PositiveInteger = Type.Integer({ minimum: 1 })

/** The maximal number of records; `null` counts as absent. */
export const MaybeLimit = Type.Optional(Type.Union([Type.Null(), PositiveInteger]))

/** The `_version` that a record must have to be changed; may be absent, but not `null`. */
export const ExpectedVersion = Type.Optional(PositiveInteger)

/** An integer of at least 0. */
export const Count = Type.Integer({ minimum: 0 })

const aggregated = Type.Union([
  Type.Object({ function: Type.Literal('count'), field: Type.Optional(Name) }),
  Type.Object({ function: Type.Enum(['sum', 'avg', 'min', 'max']), field: Name })
])

/**
 * Fields of `groupBy`.
 * @limit `VALIDATION_ERROR`
 */
const MAX_GROUP_FIELDS = 16

/** A field, or several, to group by. */
export const GroupFields = Type.Union([Name, Type.Array(Name, { minItems: 1, maxItems: MAX_GROUP_FIELDS })])

/**
 * The fields of `store.groupBy`, also as an entry of a transaction. Aggregates other than `count` need a
 * field.
 */
export const GroupBy = Type.Object({
  bucket: Name,
  field: GroupFields,
  aggregate: aggregated,
  filter: MaybeObject
})

/** The fields of `store.increment`. */
export const incrementFields = {
  bucket: Name,
  key: Key,
  field: Name,
  by: Type.Number({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  expectedVersion: ExpectedVersion
}

/**
 * Checks the member `revision` of a request that has one; `isTaken`: whether its operation takes it.
 * @throws `VALIDATION_ERROR`
 */
export function checkRevision ({ revision }: RequestMessage, operation: string, isTaken: boolean): void {
  if (!isTaken) throw invalid('revision', `is not taken by ${operation}: leave it out`)
  if (typeof revision !== 'boolean') throw invalid('revision', 'must be boolean')
}
