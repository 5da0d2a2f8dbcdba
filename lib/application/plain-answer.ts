import { isTurnOver, nextTurn } from '../util/slice.js'
import { ignoreRejection, isThenable } from './thenable.js'
import { readableError } from './thrown.js'

/** Deeper values are looked at as JSON is made of them: nearly all are less deep, and a cycle ends here. */
const MAX_DEPTH = 32

/**
 * Returns an answer of the application as JSON will have it, or throws an error that names `subject`: when
 * something in it is a promise, or makes one of itself in `toJSON`, and when it cannot be read. JSON would
 * have `{}` in its place, and its rejection would end the process. Returns `answer` itself where no member of
 * it makes its JSON by itself, which is only looked for.
 */
export function plainAnswer<T> (subject: string, answer: T): T {
  try {
    return makesJson(answer, 0) ? remade(answer) : answer
  } catch (error) {
    throw refusalOf(subject, error)
  }
}

/** Does the same; of a long list, others have their turn meanwhile. */
export async function plainAnswerInSlices<T> (subject: string, answer: T): Promise<T> {
  if (!Array.isArray(answer) || Object.hasOwn(answer, 'toJSON')) return plainAnswer(subject, answer)
  for (let i = 0; i < answer.length; i++) {
    if (plainAnswer(subject, answer[i]) !== answer[i]) return plainAnswer(subject, answer)
    if (i % 256 === 255 && isTurnOver()) await nextTurn()
  }
  return answer
}

function refusalOf (subject: string, error: unknown): Error {
  return new Error(`${subject} has returned what JSON cannot hold`, { cause: readableError(error) })
}

/** Whether a value, or one in it, makes its JSON by itself, is a promise, or is too deep to tell. */
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

/** Makes the value that its JSON would be read as. */
function remade<T> (value: T): T {
  const text = JSON.stringify(value, (_name, made: unknown) => {
    if (!isThenable(made)) return made
    ignoreRejection(made)
    throw new TypeError('it holds a promise')
  }) as string | undefined
  return text === undefined ? undefined as T : JSON.parse(text) as T
}
