import { indexPath, type Issues, memberPath, ROOT } from './issues.js'

/**
 * Characters of the names and texts of a rule, with 4 for each value.
 * @limit `VALIDATION_ERROR`
 */
const MAX_RULE_SIZE = 65_536
/** The most levels of any input. */
const MAX_DEPTH = 100
const VALUE_SIZE = 4

/** The progress of a snapshot. */
interface Progress {
  readonly issues: Issues
  readonly ancestors: Set<object>
  sizeLeft: number
  path: string
}

/**
 * Copies the named properties of an object, deeply, and freezes the copy. Never throws; reads each property
 * once, so that validated values cannot change later. Anything but JSON is an error: functions, instances of
 * classes, numbers that are not finite, cycles, more than 64 KB. Properties that are `undefined` are left
 * out.
 *
 * Returns `undefined` when nothing can be copied.
 */
export function takeSnapshot (
  value: unknown,
  names: readonly string[],
  issues: Issues
): Readonly<Record<string, unknown>> | undefined {
  const progress: Progress = { issues, ancestors: new Set(), sizeLeft: MAX_RULE_SIZE, path: '' }
  try {
    if (isPlainObject(value)) {
      return copyObject(value, '', names.filter(name => Object.hasOwn(value, name)), progress)
    }
    issues.error(ROOT, 'must be a plain object')
  } catch (error) {
    if (error instanceof SnapshotTooLarge) issues.error(ROOT, `is larger than ${MAX_RULE_SIZE} characters`)
    else issues.error(progress.path === '' ? ROOT : progress.path, 'cannot be read')
  }
  return undefined
}

/** Ends a snapshot at once. */
class SnapshotTooLarge extends Error {}

function copy (value: unknown, path: string, progress: Progress): unknown {
  progress.path = path
  spend(progress, typeof value === 'string' ? value.length + VALUE_SIZE : VALUE_SIZE)
  switch (typeof value) {
    case 'string':
    case 'boolean': return value
    case 'number':
      if (!Number.isFinite(value)) progress.issues.error(path, 'must be a finite number')
      return value
    case 'object': return value === null ? null : copyNested(value, path, progress)
    default:
      progress.issues.error(path, `must be JSON, and not ${typeof value}`)
      return null
  }
}

function copyNested (value: object, path: string, progress: Progress): unknown {
  const { ancestors, issues } = progress
  if (ancestors.has(value)) {
    issues.error(path, 'must not contain itself')
  } else if (ancestors.size === MAX_DEPTH) {
    issues.error(path, 'is nested too deeply')
  } else if (Array.isArray(value)) {
    return copyArray(value, path, progress)
  } else if (isPlainObject(value)) {
    return copyObject(value, path, Object.keys(value), progress)
  } else {
    issues.error(path, 'must be JSON, and no instance of a class')
  }
  return null
}

function copyArray (array: readonly unknown[], path: string, progress: Progress): readonly unknown[] {
  const members: unknown[] = []
  progress.ancestors.add(array)
  for (let index = 0; index < array.length; index++) {
    members.push(copy(array[index], indexPath(path, index), progress))
  }
  progress.ancestors.delete(array)
  return Object.freeze(members)
}

function copyObject (
  object: Readonly<Record<string, unknown>>,
  path: string,
  names: readonly string[],
  progress: Progress
): Readonly<Record<string, unknown>> {
  const members: Array<readonly [string, unknown]> = []
  progress.ancestors.add(object)
  for (const name of names) {
    progress.path = memberPath(path, name)
    const member = object[name]
    if (member === undefined) continue
    spend(progress, name.length)
    members.push([name, copy(member, memberPath(path, name), progress)])
  }
  progress.ancestors.delete(object)
  // As own members, even one named __proto__.
  return Object.freeze(Object.fromEntries(members))
}

function spend (progress: Progress, size: number): void {
  progress.sizeLeft -= size
  if (progress.sizeLeft < 0) throw new SnapshotTooLarge()
}

/**
 * Accepts objects of literals and of `JSON.parse`, also those of other contexts, and those without a
 * prototype.
 */
function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
