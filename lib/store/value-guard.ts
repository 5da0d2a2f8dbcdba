import vm from 'node:vm'
import type { BucketDefinition, FieldDefinition, SchemaDefinition } from '@hamicek/noex-store'
import { recordInvalid } from '../errors.js'
import { patternPower } from './pattern-cost.js'

/** The store's own check of longer texts takes time that grows with the square of the length. */
const MAX_CHARS = { email: 320, url: 2_048 } as const

/** Steps that the texts of one request may take to match without being watched. */
const MAX_STEPS = 1_000_000

/** Time that all other texts of one request may take to match, in milliseconds. */
const MATCH_MS = 50

/** Nested levels of `properties` and `items` that noex-store looks at. */
export const MAX_NESTING = 10

/** A record, or what the store will make of one. */
export type Candidate = Readonly<Record<string, unknown>>

interface Match {
  readonly field: string
  readonly pattern: RegExp
  readonly value: string
}

interface Work {
  readonly bucket: string
  steps: number
  readonly watched: Match[]
  /** Compiled once for all texts: a new expression is slow at first. `undefined` where the pattern is none. */
  readonly patterns: Map<string, RegExp | undefined>
}

const context = vm.createContext({ watched: [], at: 0 })
const matchAll = new vm.Script('for (at = 0; at < watched.length; at++) watched[at].pattern.test(watched[at].value)')

const known = new WeakMap<SchemaDefinition, boolean>()

/** Whether a bucket has fields whose texts are matched against anything; most have none. */
export function matchesTexts ({ schema }: BucketDefinition): boolean {
  let matches = known.get(schema)
  if (matches === undefined) {
    matches = Object.values(schema).some(fieldMatches)
    known.set(schema, matches)
  }
  return matches
}

/**
 * Sees to it that texts cannot keep the server busy with matching: `records` are what one request will have
 * the store check, and are refused before it does when that would take too long.
 * @throws `VALIDATION_ERROR` with the issue of the first text that is refused
 */
export function checkTexts (
  bucket: string,
  definition: BucketDefinition,
  records: readonly Candidate[]
): void {
  if (!matchesTexts(definition)) return
  const work: Work = { bucket, steps: 0, watched: [], patterns: new Map() }
  for (const record of records) checkMembers(definition.schema, record, '', work, 0)
  if (work.watched.length === 0) return
  context['watched'] = work.watched
  try {
    matchAll.runInContext(context, { timeout: MATCH_MS })
  } catch {
    const { field } = work.watched[context['at'] as number] as Match
    throw recordInvalid(bucket, [{ field, message: 'Matching the pattern takes too long', code: 'pattern' }])
  } finally {
    context['watched'] = []
  }
}

function checkMembers (schema: SchemaDefinition, data: Candidate, prefix: string, work: Work, depth: number): void {
  if (depth > MAX_NESTING) return
  for (const [name, field] of Object.entries(schema)) checkValue(field, data[name], prefix + name, work, depth)
}

function checkValue (field: FieldDefinition, value: unknown, path: string, work: Work, depth: number): void {
  if (typeof value === 'string') {
    checkText(field, value, path, work)
  } else if (Array.isArray(value)) {
    const { items } = field
    if (items !== undefined && depth < MAX_NESTING) value.forEach((item, i) => { checkValue(items, item, `${path}[${i}]`, work, depth + 1) })
  } else if (typeof value === 'object' && value !== null && field.properties !== undefined) {
    checkMembers(field.properties, value as Candidate, `${path}.`, work, depth + 1)
  }
}

function checkText ({ format, pattern }: FieldDefinition, value: string, path: string, work: Work): void {
  const maxChars = format === 'email' || format === 'url' ? MAX_CHARS[format] : Infinity
  if (value.length > maxChars) {
    const message = `A text of format ${String(format)} has at most ${maxChars} characters`
    throw recordInvalid(work.bucket, [{ field: path, message, code: 'format' }])
  }
  if (pattern === undefined) return
  const power = patternPower(pattern)
  // Said apart, because 1 ** Infinity is no number.
  work.steps += power === Infinity ? Infinity : value.length ** power * pattern.length
  if (work.steps <= MAX_STEPS) return
  if (!work.patterns.has(pattern)) work.patterns.set(pattern, compiled(pattern))
  const expression = work.patterns.get(pattern)
  // A pattern that is none is for the store to refuse.
  if (expression !== undefined) work.watched.push({ field: path, pattern: expression, value })
}

function compiled (pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern)
  } catch {
    return undefined
  }
}

function fieldMatches (field: FieldDefinition): boolean {
  return field.pattern !== undefined || field.format === 'email' || field.format === 'url' ||
    (field.items !== undefined && fieldMatches(field.items)) ||
    (field.properties !== undefined && Object.values(field.properties).some(fieldMatches))
}
