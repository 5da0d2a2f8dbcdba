import { Type } from 'typebox'

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

/** The records of one `insertMany`: at most 10,000. */
export const RecordBatch = Type.Array(JsonObject, { maxItems: 10_000 })

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

/** A field to group by, or at most 16. */
export const GroupFields = Type.Union([Name, Type.Array(Name, { minItems: 1, maxItems: 16 })])

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
