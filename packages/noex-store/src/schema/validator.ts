import { ValidationError, ValidatorError, type ValidationIssue } from '../errors.js'
import type { BucketDefinition, FieldDefinition, FieldType, SchemaDefinition } from '../types/schema.js'
import { isValidEmail, isValidIsoDate, isValidUrl } from './format.js'
import { isInstant } from './instant.js'
import { beginMatching, compilePattern } from './pattern.js'
import { isThenable } from '../util/value-kinds.js'
import { pendingCheck, type PendingCheck } from './pending-checks.js'

/** Levels of `properties` and `items` below the record that are checked. */
export const MAX_NESTING = 10

/** Validators that run inside one another, by writing to the store; more are taken for a loop. */
const MAX_RUNNING = 16

/** Characters of one message of a validator. */
const MAX_MESSAGE_CHARS = 4_096
/** Messages of one validator of records. */
const MAX_MESSAGES = 250

type Fields = Readonly<Record<string, unknown>>

/** Faults of a record, and the checks whose answer is still to come. */
interface Findings extends Array<ValidationIssue> {
  pending?: PendingCheck[]
}

/** Checks one value and adds what is wrong with it to `issues`. */
type Check = (value: unknown, path: string, issues: Findings, record: Fields) => void

/**
 * Checks a whole record. Returns the checks that are still to be waited for, if there are any.
 * @throws ValidationError, ValidatorError, or what a validator throws
 */
export type Validator = (record: Fields) => PendingCheck[] | undefined

/** Compiles the checks of a bucket's schema, once for all its records. */
export function compileValidator (
  bucket: string, { schema, validate }: Pick<BucketDefinition, 'schema' | 'validate'>
): Validator {
  const checks = compileFields(bucket, schema, 0)
  const matches = Object.values(schema).some(hasPattern)
  return record => {
    const issues: Findings = []
    if (matches) beginMatching()
    checks(record, '', issues, record)
    if (validate !== undefined) checkRecord(bucket, validate, record, issues)
    if (issues.length > 0) throw new ValidationError(bucket, issues)
    return issues.pending
  }
}

function hasPattern ({ pattern, items, properties = {} }: FieldDefinition): boolean {
  return pattern !== undefined || (items !== undefined && hasPattern(items)) ||
    Object.values(properties).some(hasPattern)
}

function checkRecord (
  bucket: string, validate: NonNullable<BucketDefinition['validate']>, record: Fields, issues: Findings
): void {
  ask(bucket, 'validator', issues, () => validate(record as Record<string, unknown>), answer => {
    if (answer === undefined || answer === null) return []
    if (Array.isArray(answer) && answer.length <= MAX_MESSAGES && answer.every(isMessage)) {
      return answer.map((message: string) => ({ field: '_record', message, code: 'custom' }))
    }
    const texts = `at most ${MAX_MESSAGES} texts of at most ${MAX_MESSAGE_CHARS} characters`
    throw new ValidatorError(bucket, 'validator', `must return undefined or ${texts}, ${got(answer)}`)
  })
}

let running = 0

/** Runs a validator and adds what it finds, now or later. */
function ask (
  bucket: string, subject: string, issues: Findings, run: () => unknown,
  read: (answer: unknown) => ValidationIssue[]
): void {
  if (running >= MAX_RUNNING) {
    throw new ValidatorError(
      bucket, subject, `runs inside ${MAX_RUNNING} others: it writes to the store in a loop`
    )
  }
  running++
  let answer: unknown
  try {
    answer = run()
  } finally {
    running--
  }
  if (answer === undefined) return
  if (isThenable(answer)) (issues.pending ??= []).push(pendingCheck(subject, answer, read))
  else issues.push(...read(answer))
}

function got (answer: unknown): string {
  return `got ${answer === null ? 'null' : describe(answer)}`
}

function compileFields (bucket: string, schema: SchemaDefinition, depth: number): Check {
  if (depth > MAX_NESTING) return () => {}
  const fields = Object.entries(schema).map(([name, field]) =>
    ({ name, isRequired: field.required === true, check: compileValue(bucket, field, depth) }))
  return (members, prefix, issues, record) => {
    for (const { name, isRequired, check } of fields) {
      const value = (members as Fields)[name]
      if (value !== undefined && value !== null) {
        check(value, prefix === '' ? name : `${prefix}.${name}`, issues, record)
      } else if (isRequired) {
        issues.push(
          {
            field: prefix === '' ? name : `${prefix}.${name}`, message: 'Field is required', code: 'required'
          }
        )
      }
    }
  }
}

function compileValue (bucket: string, field: FieldDefinition, depth: number): Check {
  const isOfType = types[field.type]
  const constraints = compileConstraints(bucket, field)
  const nested = compileNested(bucket, field, depth)
  return (value, path, issues, record) => {
    if (!isOfType(value)) {
      issues.push(
        { field: path, message: `Expected type "${field.type}", got ${describe(value)}`, code: 'type' }
      )
      return
    }
    for (const check of constraints) check(value, path, issues, record)
    nested?.(value, path, issues, record)
  }
}

function compileNested (
  bucket: string, { type, properties, items }: FieldDefinition, depth: number
): Check | undefined {
  if (type === 'object' && properties !== undefined) return compileFields(bucket, properties, depth + 1)
  if (type !== 'array' || items === undefined || depth + 1 > MAX_NESTING) return undefined
  const check = compileValue(bucket, items, depth + 1)
  return (list, path, issues, record) => {
    (list as unknown[]).forEach((value, i) => {
      if (value !== undefined && value !== null) check(value, `${path}[${i}]`, issues, record)
    })
  }
}

const types: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  string: value => typeof value === 'string',
  number: value => typeof value === 'number' && !Number.isNaN(value),
  boolean: value => typeof value === 'boolean',
  object: value => typeof value === 'object' && !Array.isArray(value),
  array: value => Array.isArray(value),
  date: isInstant
}

function compileConstraints (bucket: string, field: FieldDefinition): Check[] {
  const { enum: values, minLength, maxLength, pattern, format, min, max, validate } = field
  const checks: Check[] = []
  if (values !== undefined) {
    checks.push(
      refuseUnless(
        value => values.includes(value), `Value must be one of: ${values.map(String).join(', ')}`, 'enum'
      )
    )
  }
  if (minLength !== undefined) {
    checks.push(
      refuseUnless(text(value => value.length >= minLength), `Minimum length is ${minLength}`, 'minLength')
    )
  }
  if (maxLength !== undefined) {
    checks.push(
      refuseUnless(text(value => value.length <= maxLength), `Maximum length is ${maxLength}`, 'maxLength')
    )
  }
  if (pattern !== undefined) checks.push(checkPattern(pattern))
  if (format !== undefined) {
    checks.push(refuseUnless(text(formats[format]), `Invalid ${format} format`, 'format'))
  }
  if (min !== undefined) {
    checks.push(
      refuseUnless(value => typeof value !== 'number' || value >= min, `Minimum value is ${min}`, 'min')
    )
  }
  if (max !== undefined) {
    checks.push(
      refuseUnless(value => typeof value !== 'number' || value <= max, `Maximum value is ${max}`, 'max')
    )
  }
  if (validate !== undefined) checks.push(checkCustom(bucket, validate))
  return checks
}

const formats = { email: isValidEmail, url: isValidUrl, 'iso-date': isValidIsoDate } as const

/** Applies a test of texts; other values pass it. */
function text (test: (value: string) => boolean): (value: unknown) => boolean {
  return value => typeof value !== 'string' || test(value)
}

function refuseUnless (test: (value: unknown) => boolean, message: string, code: string): Check {
  return (value, field, issues) => {
    if (!test(value)) issues.push({ field, message, code })
  }
}

function checkPattern (source: string): Check {
  const match = compilePattern(source)
  return (value, field, issues) => {
    if (typeof value !== 'string') return
    const outcome = match(value)
    if (outcome === 'match') return
    const message = outcome === 'slow'
      ? 'Matching the pattern takes too long'
      : `Value must match pattern "${source}"`
    issues.push({ field, message, code: 'pattern' })
  }
}

function checkCustom (bucket: string, validate: NonNullable<FieldDefinition['validate']>): Check {
  return (value, field, issues, record) => {
    const subject = `validator of field "${field}"`
    ask(bucket, subject, issues, () => validate(value, record as Record<string, unknown>), answer => {
      if (answer === undefined || answer === null) return []
      if (isMessage(answer)) return [{ field, message: answer, code: 'custom' }]
      const text = `a text of at most ${MAX_MESSAGE_CHARS} characters`
      throw new ValidatorError(bucket, subject, `must return undefined or ${text}, ${got(answer)}`)
    })
  }
}

function isMessage (value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_MESSAGE_CHARS
}

function describe (value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return value instanceof Date ? 'date' : typeof value
}
