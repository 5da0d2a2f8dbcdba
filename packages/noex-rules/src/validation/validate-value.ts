import { compileReference } from '../expressions/reference.js'
import { isReference, MAX_VALUE_DEPTH } from '../expressions/value.js'
import { isRecord } from '../util/record.js'
import { indexPath, type Issues, memberPath } from './issues.js'

/** Checks the references and the depth of a required value. */
export function validateValue (issues: Issues, path: string, value: unknown): void {
  if (value === undefined) issues.error(path, 'is missing')
  else validatePart(issues, path, value, 0)
}

/** Checks an array of values. */
export function validateValues (issues: Issues, path: string, values: unknown): void {
  if (!Array.isArray(values)) issues.error(path, 'must be an array')
  else for (const [index, value] of values.entries()) validatePart(issues, indexPath(path, index), value, 0)
}

/** Checks the required data of an event. */
export function validateData (issues: Issues, path: string, data: unknown): void {
  if (data === undefined) issues.error(path, 'is missing')
  else if (!isRecord(data)) issues.error(path, 'must be an object')
  else validatePart(issues, path, data, 0)
}

function validatePart (issues: Issues, path: string, value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth === MAX_VALUE_DEPTH) {
    issues.error(path, `is nested more than ${MAX_VALUE_DEPTH} levels deep`)
  } else if (isReference(value)) {
    issues.catch(path, () => {
      compileReference(value.ref)
      issues.noteReference(path, value.ref)
    })
  } else if (Array.isArray(value)) {
    for (const [index, member] of value.entries()) {
      validatePart(issues, indexPath(path, index), member, depth + 1)
    }
  } else {
    for (const [name, member] of Object.entries(value)) {
      validatePart(issues, memberPath(path, name), member, depth + 1)
    }
  }
}
