import { Type } from 'typebox'

/** A non-empty text. */
export const Name = Type.String({ minLength: 1 })

/** A JSON object. */
export const JsonObject = Type.Record(Type.String(), Type.Unknown())

/** A JSON object; `null` counts as absent. */
export const MaybeObject = Type.Optional(Type.Union([Type.Null(), JsonObject]))

/** A primary key: anything but absent or `null`. */
export const Key = Type.Union([Type.String(), Type.Number(), Type.Boolean(), JsonObject, Type.Array(Type.Unknown())])

/** The records of one `insertMany`. */
export const RecordBatch = Type.Array(JsonObject, { maxItems: 10_000 })

/** An integer of at least 1. */
export const PositiveInteger = Type.Integer({ minimum: 1 })
