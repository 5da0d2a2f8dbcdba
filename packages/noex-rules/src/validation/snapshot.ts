import { indexPath, type Issues, memberPath, ROOT } from './issues.js'

/** A larger rule is refused: the characters of its names and texts, and some for each value. */
const MAX_RULE_SIZE = 65_536
/** What is nested deeper than this is refused, whatever it is. */
const MAX_DEPTH = 100
const VALUE_SIZE = 4

/** What a snapshot has copied so far, and where it is. */
interface Progress {
  readonly issues: Issues
  readonly ancestors: Set<object>
  sizeLeft: number
  path: string
}

/**
 * Copies those members of an object that are named, all the way down, and freezes the copy. Whatever
 * the object is, this does not throw, and reads each member once, so that what is looked at later
 * cannot change. What is not JSON is an error: functions, instances of classes, numbers that are not
 * finite, cycles, more than 64 KB. Members that are `undefined` are left out.
 *
 * Gives `undefined` where nothing can be copied.
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

/** Objects of literals and of `JSON.parse`, also those of other contexts, and those without a prototype. */
function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
