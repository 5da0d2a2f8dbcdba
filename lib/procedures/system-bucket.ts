import type { BucketDefinition } from '@hamicek/noex-store'
import { isJsonObject } from './step-check.js'

/** The bucket in which a store keeps the procedures that clients have registered. */
export const proceduresBucket: BucketDefinition = {
  key: 'name',
  schema: {
    name: { type: 'string', required: true },
    definition: { type: 'object', required: true },
    /** The user who has written the steps. */
    author: { type: 'string' }
  }
}

/** A record of that bucket. */
export interface ProcedureRecord {
  readonly name: string
  readonly definition: object
  readonly author?: string | null
}

/** Whether a record is valid: the application may have written any. */
export function isProcedureRecord (record: unknown): record is ProcedureRecord {
  if (!isJsonObject(record)) return false
  const { name, definition, author } = record
  return (
    typeof name === 'string' && isJsonObject(definition) && (author == null || typeof author === 'string')
  )
}
