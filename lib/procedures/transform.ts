import { invalid } from '../protocol/errors.js'
import { isPlainObject } from '../util/option-schema.js'
import { memberOf } from './aggregate.js'
import { jsonChars, type SizeBudget } from './size-budget.js'

/** The operations of `transform` steps. */
export const transformations = ['map', 'filter', 'pick', 'pluck'] as const
export type Transformation = typeof transformations[number]

/** The number of comparisons of one `filter`, or of members that one `map` sets. */
const MAX_WORK = 1_000_000

/**
 * Returns a new value made from `source`; the members that `map` adds must not exceed `sizeBudget`. `pluck`:
 * the member `args` of each item, null where there is none. `pick`: an object with the members that `args`
 * names. `filter`: the items whose members equal those of `args`. `map`: the items, with the members of
 * `args` added to each object.
 * @throws `VALIDATION_ERROR` when the source or the arguments are of another type, or it is too much work
 */
export function transform (
  source: unknown,
  operation: Transformation,
  args: unknown,
  sizeBudget: SizeBudget
): unknown {
  switch (operation) {
    case 'pick': return pick(source, args as readonly string[])
    case 'pluck': return itemsOf(source).map(item => memberOf(item, args as string) ?? null)
    case 'filter': return filter(itemsOf(source), membersOf(args))
    case 'map': return map(itemsOf(source), membersOf(args), sizeBudget)
  }
}

function pick (source: unknown, names: readonly string[]): object {
  if (!isPlainObject(source)) throw invalid('source', 'must be an object for "pick"')
  return Object.fromEntries(
    names.filter(name => Object.hasOwn(source, name)).map(name => [name, source[name]])
  )
}

function filter (items: readonly unknown[], args: Readonly<Record<string, unknown>>): unknown[] {
  const members = Object.entries(args)
  checkWork(items.length * members.length)
  return items.filter(item =>
    isPlainObject(item) && members.every(([name, value]) => memberOf(item, name) === value))
}

function map (
  items: readonly unknown[],
  args: Readonly<Record<string, unknown>>,
  sizeBudget: SizeBudget
): unknown[] {
  checkWork(items.length * Object.keys(args).length)
  sizeBudget.require(items.length * jsonChars(args, sizeBudget.left))
  const withArgs = (item: object): object =>
    Object.fromEntries([...Object.entries(item), ...Object.entries(args)])
  return items.map(item => isPlainObject(item) ? withArgs(item) : item)
}

function checkWork (steps: number): void {
  if (steps > MAX_WORK) {
    throw invalid('source', `has too many items for so many arguments: together they may make ${MAX_WORK}`)
  }
}

function itemsOf (source: unknown): readonly unknown[] {
  if (!Array.isArray(source)) throw invalid('source', 'must be an array')
  return source
}

function membersOf (args: unknown): Readonly<Record<string, unknown>> {
  if (!isPlainObject(args)) throw invalid('args', 'must be an object')
  return args
}
