import { NoexServerError } from '../protocol/errors.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import { ignoreRejection, isThenable } from './thenable.js'
import { readableError } from './thrown.js'

/** Depth of the search; deeper values, and cycles, are encoded as JSON to see what is in them. */
const MAX_DEPTH = 32

/**
 * Returns a result of the application as JSON represents it, or `answer` itself where nothing in it has a
 * `toJSON`.
 * @throws an error that names `subject`, for a promise in it, also by `toJSON`, and where it cannot be read.
 * JSON would have `{}` for a promise, and its rejection would end the process
 */
export function plainAnswer<T> (subject: string, answer: T): T {
  try {
    return makesJson(answer, 0) ? remade(answer) : answer
  } catch (error) {
    throw refusalOf(subject, error)
  }
}

/** Does the same, and yields to other work within a long list. */
export async function plainAnswerInSlices<T> (subject: string, answer: T): Promise<T> {
  if (!Array.isArray(answer) || Object.hasOwn(answer, 'toJSON')) return plainAnswer(subject, answer)
  for (let i = 0; i < answer.length; i++) {
    if (plainAnswer(subject, answer[i]) !== answer[i]) return plainAnswer(subject, answer)
    if (i % 256 === 255 && isTurnOver()) await nextTurn()
  }
  return answer
}

/**
 * Returns a refusal by the application with details as JSON represents them, or the refusal itself where
 * nothing in them has a `toJSON`.
 * @throws as `plainAnswer` does
 */
export function plainRefusal (subject: string, refusal: NoexServerError): NoexServerError {
  const { code, message, details } = refusal
  const plain = plainAnswer(subject, details)
  return plain === details ? refusal : new NoexServerError(code, message, plain)
}

function refusalOf (subject: string, error: unknown): Error {
  return new Error(`${subject} has returned what JSON cannot hold`, { cause: readableError(error) })
}

/** Returns whether a value, or one in it, has a `toJSON`, is a promise, or is deeper than `MAX_DEPTH`. */
function makesJson (value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'function' && isSpecial(value)
  if (isSpecial(value)) return !isOrdinaryDate(value)
  if (depth === MAX_DEPTH) return true
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (makesJson(value[i], depth + 1)) return true
    return false
  }
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name]
    const isLookedAt = typeof member === 'object' || typeof member === 'function'
    if (isLookedAt && makesJson(member, depth + 1)) return true
  }
  return false
}

function isSpecial (value: object): boolean {
  const { toJSON, then } = value as { readonly toJSON?: unknown, readonly then?: unknown }
  return typeof toJSON === 'function' || typeof then === 'function'
}

const dateToJson = Reflect.get(Date.prototype, 'toJSON') as unknown

function isOrdinaryDate (value: object): boolean {
  return value instanceof Date && value.toJSON === dateToJson && !Object.hasOwn(value, 'toISOString')
}

/** Encodes and parses a value. @throws {TypeError} for a promise in it */
function remade<T> (value: T): T {
  const text = JSON.stringify(value, (_name, made: unknown) => {
    if (!isThenable(made)) return made
    ignoreRejection(made)
    throw new TypeError('it holds a promise')
  }) as string | undefined
  return text === undefined ? undefined as T : JSON.parse(text) as T
}
