import { DeserializationError } from '../storage/errors.js'

/** The member by which the original's adapter marks an object that stands for what JSON does not have. */
const TYPE = '__noex_type__'

/**
 * Turns what the original's adapter has written for dates, maps, sets, bigints and `undefined` back into
 * them. Works in place, so that every member stays an own one, one named `__proto__` too.
 * @throws DeserializationError for a type that it does not know
 */
export function restoreOriginal (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (!Array.isArray(value) && Object.hasOwn(value, TYPE)) return standInOf(value)
  const members = value as Record<string, unknown>
  for (const name of Object.keys(members)) members[name] = restoreOriginal(members[name])
  return value
}

/** Returns the value that an object with a type stands for: its one other member. */
function standInOf (object: object): unknown {
  const { [TYPE]: type, ...others } = object as Readonly<Record<string, unknown>>
  const values = Object.values(others)
  if (typeof type !== 'string' || values.length > 1) throw unknownType(type)
  const value = restoreOriginal(values[0])
  switch (type.toLowerCase()) {
    case 'date': return new Date(typeof value === 'string' || typeof value === 'number' ? value : NaN)
    case 'undefined': return undefined
    case 'bigint': return BigInt(String(value))
    case 'map': return new Map(value as Array<[unknown, unknown]>)
    case 'set': return new Set(value as unknown[])
    default: throw unknownType(type)
  }
}

function unknownType (type: unknown): DeserializationError {
  const shown = String(JSON.stringify(type)).slice(0, 100)
  return new DeserializationError(`it has a value of the unknown type ${shown}`)
}
