import {
  SchemaValidator,
  type BucketDefinition, type FieldDefinition, type SchemaDefinition, type StoreRecord
} from '@hamicek/noex-store'
import { ignoreRejection, isThenable } from '../application/thenable.js'
import { plainAnswer } from '../application/plain-answer.js'
import { readableError } from '../application/thrown.js'
import { toReplyError } from '../errors.js'
import type { RecordInput } from './record-input.js'
import { MAX_NESTING } from './value-guard.js'

/** Characters of one message of a validator. */
const MAX_MESSAGE_CHARS = 4_096

/** Messages of one validator of records. */
const MAX_MESSAGES = 250

/** Characters of JSON of what a default gives. */
const MAX_DEFAULT_CHARS = 1_048_576

/** The functions of a definition, ready to be called with care. */
interface Callbacks {
  /** Those that are functions, by field. */
  readonly defaults: ReadonlyMap<string, () => unknown>
  /** Calls the validators as the store does, on the same values; `undefined` where there are none. */
  readonly validators: SchemaValidator | undefined
}

const known = new WeakMap<BucketDefinition, Callbacks | null>()

/** Tells whether the application has put functions into a definition; most have none. */
export function hasCallbacks (bucket: string, definition: BucketDefinition): boolean {
  return callbacksOf(bucket, definition) !== undefined
}

/**
 * Fills in the defaults of a new record that the application computes, and has its validators look at the
 * record before the store does: noex-store takes a promise for a value, and lets it reject where nothing
 * hears of it. Returns `data` itself where there is nothing to fill in. Throws an error for the log that
 * names the function, when one throws or returns what it must not
 */
export function guardInsert (
  bucket: string, definition: BucketDefinition, data: RecordInput
): Record<string, unknown> {
  const callbacks = callbacksOf(bucket, definition)
  if (callbacks === undefined) return data as Record<string, unknown>
  const { defaults } = callbacks
  const isComplete = defaults.size === 0
  const record = isComplete ? data as Record<string, unknown> : filledIn(data, definition.schema, defaults)
  // Which number the record will have is not known yet.
  withoutIssues(() => callbacks.validators?.prepareInsert(record, 1))
  return record
}

/** Puts members where the store would: generated ones first, then defaults. It fills in the undefined. */
function filledIn (
  data: RecordInput, schema: SchemaDefinition, defaults: Callbacks['defaults']
): Record<string, unknown> {
  const record: Record<string, unknown> = { ...data }
  const fields = Object.entries(schema)
  for (const [name, { generated }] of fields) {
    if (generated != null && !Object.hasOwn(record, name)) record[name] = undefined
  }
  for (const [name, field] of fields) {
    if (record[name] === undefined && field.default !== undefined) record[name] = defaults.get(name)?.()
  }
  return record
}

/** Has the validators look at a record as an update will leave it. Throws as `guardInsert` does */
export function guardUpdate (
  bucket: string, definition: BucketDefinition, record: StoreRecord, changes: RecordInput
): void {
  const validators = callbacksOf(bucket, definition)?.validators
  if (validators !== undefined) withoutIssues(() => validators.prepareUpdate(record, changes))
}

/** Ignores what validators have against a record: the store says it, with everything else. */
function withoutIssues (check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ValidationError') throw error
  }
}

function callbacksOf (bucket: string, definition: BucketDefinition): Callbacks | undefined {
  let callbacks = known.get(definition)
  if (callbacks === undefined) {
    callbacks = compile(bucket, definition) ?? null
    known.set(definition, callbacks)
  }
  return callbacks ?? undefined
}

function compile (bucket: string, definition: BucketDefinition): Callbacks | undefined {
  const { schema, key, validate } = definition
  const defaults = new Map<string, () => unknown>()
  for (const [field, { default: give, generated }] of Object.entries(schema)) {
    if (typeof give !== 'function' || generated != null) continue
    const subject = `the default of field "${field}" of bucket "${bucket}"`
    defaults.set(field, () => checkDefault(subject, give as () => unknown))
  }
  const hasValidators = validate != null || Object.values(schema).some(isValidated)
  if (defaults.size === 0 && !hasValidators) return undefined
  if (!hasValidators) return { defaults, validators: undefined }
  const subject = `the validator of bucket "${bucket}"`
  const whole: BucketDefinition['validate'] = record => checkMessages(subject, () => validate?.(record))
  return { defaults, validators: new SchemaValidator(bucket, guarded(bucket, schema, '', 0), key, whole) }
}

function isValidated (field: FieldDefinition): boolean {
  return field.validate != null || (field.items !== undefined && isValidated(field.items)) ||
    (field.properties !== undefined && Object.values(field.properties).some(isValidated))
}

/** The schema as far as it decides which validators the store calls, with what. */
function guarded (bucket: string, schema: SchemaDefinition, prefix: string, depth: number): SchemaDefinition {
  return Object.fromEntries(Object.entries(schema).map(([name, field]) =>
    [name, guardedField(bucket, field, prefix + name, depth)]))
}

function guardedField (bucket: string, field: FieldDefinition, path: string, depth: number): FieldDefinition {
  const { type, required, generated, default: filledIn, validate, properties, items } = field
  const isDeeper = depth < MAX_NESTING
  const subject = `the validator of field "${path}" of bucket "${bucket}"`
  return {
    type,
    ...(required !== undefined && { required }),
    ...(generated !== undefined && { generated }),
    ...(typeof filledIn !== 'function' && filledIn !== undefined && { default: filledIn }),
    ...(validate != null && {
      validate: (value, record) => checkMessage(subject, () => validate(value, record))
    }),
    ...(isDeeper && properties !== undefined && {
      properties: guarded(bucket, properties, `${path}.`, depth + 1)
    }),
    ...(isDeeper && items !== undefined && { items: guardedField(bucket, items, `${path}[]`, depth + 1) })
  }
}

/** Calls a function that must answer at once. `subject` names it. */
function answerOf (subject: string, call: () => unknown): unknown {
  let answer: unknown
  let isPromise: boolean
  try {
    answer = call()
    isPromise = isThenable(answer)
  } catch (error) {
    if (toReplyError(error) !== undefined) throw error
    throw new Error(`${subject} has thrown`, { cause: readableError(error) })
  }
  if (!isPromise) return answer
  ignoreRejection(answer)
  throw new Error(`${subject} has returned a promise: it must answer at once`)
}

function checkMessage (subject: string, call: () => unknown): string | undefined {
  const answer = answerOf(subject, call)
  if (answer === undefined || isMessage(answer)) return answer
  throw new Error(`${subject} must return undefined, or a text of at most ${MAX_MESSAGE_CHARS} characters`)
}

function checkMessages (subject: string, call: () => unknown): string[] | undefined {
  const answer = answerOf(subject, call) ?? undefined
  if (answer === undefined) return undefined
  if (Array.isArray(answer) && answer.length <= MAX_MESSAGES && answer.every(isMessage)) return answer
  const texts = `at most ${MAX_MESSAGES} texts of at most ${MAX_MESSAGE_CHARS} characters`
  throw new Error(`${subject} must return undefined, or ${texts}`)
}

function isMessage (value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_MESSAGE_CHARS
}

function checkDefault (subject: string, call: () => unknown): unknown {
  const value = plainAnswer(subject, answerOf(subject, call))
  if (value === undefined) return value
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new Error(`${subject} has returned what JSON cannot hold`, { cause: error })
  }
  if (text === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
    throw new Error(`${subject} has returned what JSON cannot hold`)
  }
  if (text.length <= MAX_DEFAULT_CHARS) return value
  throw new Error(`${subject} has returned more than ${MAX_DEFAULT_CHARS} characters of JSON`)
}
