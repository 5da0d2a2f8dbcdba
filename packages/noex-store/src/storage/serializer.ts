import { DeserializationError, SerializationError, toError } from './errors.js'
import { encode, parseEncoded } from './tagged-value.js'

/** Writes values as text and reads them back. */
export interface StateSerializer {
  /** Writes a value. Throws `SerializationError`. */
  serialize (value: unknown): string
  /** Reads what `serialize` wrote. Throws `DeserializationError`. */
  deserialize<T> (text: string): T
}

/**
 * Makes a serializer whose text is JSON.
 *
 * Besides JSON's own types it keeps Dates, Maps, Sets, bigints and explicit `undefined`, also inside
 * objects that look like its own notation. Functions and symbols vanish, `NaN` and the infinities
 * become `null`, instances of classes become plain objects. The same object in two places becomes two;
 * a cycle, or a nesting of more than 1000 levels, is refused.
 *
 * @param indent spaces per level; 0 writes one line
 */
export function makeSerializer (indent: number): StateSerializer {
  return {
    serialize (value) {
      try {
        // A value that vanishes as a whole is written as null: every text can be read back.
        return JSON.stringify(encode(value), undefined, indent) ?? 'null'
      } catch (error) {
        if (error instanceof SerializationError) throw error
        const cause = toError(error)
        throw new SerializationError(`The value cannot be serialized: ${cause.message}`, cause)
      }
    },

    deserialize<T> (text: string): T {
      try {
        return parseEncoded(text) as T
      } catch (error) {
        if (error instanceof DeserializationError) throw error
        const cause = toError(error)
        throw new DeserializationError(`The text cannot be deserialized: ${cause.message}`, cause)
      }
    }
  }
}

/** The serializer of the file adapter, on one line. */
export const defaultSerializer: StateSerializer = makeSerializer(0)
