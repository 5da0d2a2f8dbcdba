import vm from 'node:vm'
import type { BucketDefinition, FieldDefinition, SchemaDefinition } from '@hamicek/noex-store'
import { NoexServerError } from '../errors.js'
import { repetitions } from './pattern-cost.js'

/** An address cannot be longer (RFC 5321); the store's own check of a longer text takes time that grows with its square. */
const MAX_EMAIL_CHARS = 320

/** Steps that matching a value may surely take without being watched. */
const MAX_STEPS = 100_000

/** Time for matching one value, and for all that one request has to match. */
const MATCH_MS = 5
const REQUEST_MS = 50

/** Nested levels of `properties` and `items` that noex-store looks at. */
const MAX_NESTING = 10

interface Issue {
  readonly field: string
  readonly message: string
  readonly code: 'format' | 'pattern'
}

const context = vm.createContext({ pattern: undefined, value: undefined })
const match = new vm.Script('pattern.test(value)')

/** Which definitions have anything to watch; most have not, and cost one look-up. */
const watched = new WeakMap<SchemaDefinition, boolean>()

/**
 * Sees to it that values from clients cannot keep the server busy with matching: a text that takes too long
 * to match its field's pattern is refused before the store tries the same. One guard serves one request.
 */
export class ValueGuard {
  #spentMs = 0

  /**
   * Checks the texts of a record or of changes to one.
   * @throws `VALIDATION_ERROR` with one issue for each text that is refused
   */
  check (definition: BucketDefinition, data: Readonly<Record<string, unknown>>): void {
    if (!isWatched(definition.schema)) return
    const issues: Issue[] = []
    this.#checkMembers(definition.schema, data, '', issues, 0)
    if (issues.length > 0) throw new NoexServerError('VALIDATION_ERROR', 'The record does not fit the schema of its bucket', issues)
  }

  #checkMembers (schema: SchemaDefinition, data: Readonly<Record<string, unknown>>, prefix: string, issues: Issue[], depth: number): void {
    if (depth > MAX_NESTING) return
    for (const [name, field] of Object.entries(schema)) this.#checkValue(field, data[name], prefix + name, issues, depth)
  }

  #checkValue (field: FieldDefinition, value: unknown, path: string, issues: Issue[], depth: number): void {
    if (typeof value === 'string') {
      if (field.format === 'email' && value.length > MAX_EMAIL_CHARS) {
        issues.push({ field: path, message: `An e-mail address has at most ${MAX_EMAIL_CHARS} characters`, code: 'format' })
      }
      if (field.pattern !== undefined && !this.#matchesInTime(field.pattern, value)) {
        issues.push({ field: path, message: 'Matching the pattern takes too long', code: 'pattern' })
      }
    } else if (Array.isArray(value)) {
      const { items } = field
      if (items !== undefined && depth < MAX_NESTING) value.forEach((item, i) => { this.#checkValue(items, item, `${path}[${i}]`, issues, depth + 1) })
    } else if (typeof value === 'object' && value !== null && field.properties !== undefined) {
      this.#checkMembers(field.properties, value as Record<string, unknown>, `${path}.`, issues, depth + 1)
    }
  }

  /** Whether matching ends in time, with whatever result: that is the store's to judge. */
  #matchesInTime (pattern: string, value: string): boolean {
    if (value.length ** repetitions(pattern) <= MAX_STEPS) return true
    if (this.#spentMs >= REQUEST_MS) return false
    const started = performance.now()
    try {
      context['pattern'] = new RegExp(pattern)
      context['value'] = value
      match.runInContext(context, { timeout: MATCH_MS })
      return true
    } catch {
      return false
    } finally {
      context['value'] = undefined
      this.#spentMs += performance.now() - started
    }
  }
}

function isWatched (schema: SchemaDefinition): boolean {
  let is = watched.get(schema)
  if (is === undefined) {
    is = Object.values(schema).some(field => hasMatching(field))
    watched.set(schema, is)
  }
  return is
}

function hasMatching (field: FieldDefinition): boolean {
  return field.pattern !== undefined || field.format === 'email' ||
    (field.items !== undefined && hasMatching(field.items)) ||
    (field.properties !== undefined && Object.values(field.properties).some(hasMatching))
}
