import { ValidationError, type ValidationIssue } from '../errors.js'
import type { BucketDefinition, FieldDefinition, FieldType, SchemaDefinition } from '../types/schema.js'
import { isValidEmail, isValidIsoDate, isValidUrl } from './format.js'
import { isInstant } from './instant.js'
import { beginMatching, compilePattern } from './pattern.js'

/** Levels of `properties` and `items` below the record that are checked. */
export const MAX_NESTING = 10

type Fields = Readonly<Record<string, unknown>>

/** Checks one value and adds what is wrong with it to `issues`. */
type Check = (value: unknown, path: string, issues: ValidationIssue[], record: Fields) => void

/**
 * Checks a whole record.
 * @throws ValidationError
 */
export type Validator = (record: Fields) => void

/** Compiles the checks of a bucket's schema, once for all its records. */
export function compileValidator (
  bucket: string, { schema, validate }: Pick<BucketDefinition, 'schema' | 'validate'>
): Validator {
  const checks = compileFields(schema, 0)
  const matches = Object.values(schema).some(hasPattern)
  return record => {
    const issues: ValidationIssue[] = []
    if (matches) beginMatching()
    checks(record, '', issues, record)
    if (validate !== undefined) checkRecord(validate, record, issues)
    if (issues.length > 0) throw new ValidationError(bucket, issues)
  }
}

function hasPattern ({ pattern, items, properties = {} }: FieldDefinition): boolean {
  return pattern !== undefined || (items !== undefined && hasPattern(items)) ||
    Object.values(properties).some(hasPattern)
}

function checkRecord (
  validate: NonNullable<BucketDefinition['validate']>, record: Fields, issues: ValidationIssue[]
): void {
  const messages: unknown = validate(record as Record<string, unknown>)
  if (messages === undefined || messages === null) return
  if (isPromise(messages)) {
    issues.push({ field: '_record', message: asynchronous(messages), code: 'custom' })
    return
  }
  for (const message of messages as string[]) issues.push({ field: '_record', message, code: 'custom' })
}

function compileFields (schema: SchemaDefinition, depth: number): Check {
  if (depth > MAX_NESTING) return () => {}
  const fields = Object.entries(schema).map(([name, field]) =>
    ({ name, isRequired: field.required === true, check: compileValue(field, depth) }))
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

function compileValue (field: FieldDefinition, depth: number): Check {
  const isOfType = types[field.type]
  const constraints = compileConstraints(field)
  const nested = compileNested(field, depth)
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

function compileNested ({ type, properties, items }: FieldDefinition, depth: number): Check | undefined {
  if (type === 'object' && properties !== undefined) return compileFields(properties, depth + 1)
  if (type !== 'array' || items === undefined || depth + 1 > MAX_NESTING) return undefined
  const check = compileValue(items, depth + 1)
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

function compileConstraints (field: FieldDefinition): Check[] {
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
  if (validate !== undefined) checks.push(checkCustom(validate))
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

function checkCustom (validate: NonNullable<FieldDefinition['validate']>): Check {
  return (value, field, issues, record) => {
    const message: unknown = validate(value, record as Record<string, unknown>)
    if (message === undefined) return
    issues.push(
      { field, message: isPromise(message) ? asynchronous(message) : message as string, code: 'custom' }
    )
  }
}

function isPromise (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
}

/** Returns the message that refuses an asynchronous validator, whose rejection must not end the process. */
function asynchronous (promise: PromiseLike<unknown>): string {
  promise.then(undefined, () => {})
  return 'The validator is asynchronous; it must return its message at once'
}

function describe (value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return value instanceof Date ? 'date' : typeof value
}
