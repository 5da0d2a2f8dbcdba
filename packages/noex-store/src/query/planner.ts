import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../rows/row.js'
import { inOrder } from '../index/in-order.js'
import type { FieldIndex } from '../index/field-index.js'
import type { Range, Scalar } from '../index/ordered-index.js'
import type { Condition, Lookup } from '../filter/condition.js'
import type { CompiledFilter } from '../filter/filter.js'

/** Rows that are gathered from an index at most; above, the whole bucket is walked in slices. */
const MAX_CANDIDATES = 20_000

/** Rows below which walking over all of them is as good as any index on a range. */
export const MIN_ORDERED = 1_000

/** Rows that an index finds for a part of a filter. */
export interface Source {
  readonly size: number
  /** Returns a list that is the caller's. */
  readonly rows: () => Row[]
  /** Whether the rows are just those that match the filter, so that none need be tried on it. */
  readonly isExact: boolean
}

/**
 * Finds the cheapest index for a filter; `undefined` when walking over the whole bucket is cheaper. A source
 * has all rows that match, in no particular order, each once.
 */
export function findSource (
  bucket: Bucket, filter: CompiledFilter, onMissingOrder?: (index: FieldIndex) => void
): Source | undefined {
  const source = cheapest(bucket, filter, onMissingOrder)
  if (source === undefined) return undefined
  if (source.size > MAX_CANDIDATES || source.size * 2 > bucket.size + 64) return undefined
  return source
}

/**
 * Tells whether a walk that ends at its `count`th match is shorter than by a source, as far as sizes tell.
 */
export function isWalkShorter (bucket: Bucket, source: Source | undefined, count: number): boolean {
  return source === undefined || source.size * source.size > count * bucket.size
}

/** Returns the range of an index outside of which no record matches. */
export function rangeOn ({ options }: FieldIndex, { conditions }: CompiledFilter): Range {
  let found: Range | undefined
  for (const { field, lookup } of conditions) {
    if (field !== options.field || lookup?.kind !== 'range') continue
    if (isOfType(lookup.range, options.scalarType)) found = narrow(found, lookup.range)
  }
  return found ?? {}
}

/** Returns the rows of a source in the order of their insertion. */
export function rowsInOrder (source: Source): Row[] {
  return inOrder(source.rows())
}

function cheapest (
  bucket: Bucket, filter: CompiledFilter, onMissingOrder?: (index: FieldIndex) => void
): Source | undefined {
  const isAlone = filter.conditions.length + filter.choices.length === 1
  let best: Source | undefined
  const consider = (source: Source | undefined): void => {
    if (source !== undefined && (best === undefined || source.size < best.size)) best = source
  }
  const ranges = new Map<FieldIndex, Range>()
  for (const { field, lookup } of filter.conditions) {
    if (lookup === undefined) continue
    const index = bucket.contents.byField.get(field)
    if (lookup.kind !== 'range') {
      consider(index === undefined ? byKey(bucket, field, lookup, isAlone) : byHash(index, lookup, isAlone))
    } else if (index !== undefined) {
      ranges.set(index, narrow(ranges.get(index), lookup.range))
    }
  }
  for (const [index, range] of ranges) consider(byRange(bucket, index, range, filter, onMissingOrder))
  for (const choice of filter.choices) consider(union(bucket, choice, isAlone, onMissingOrder))
  return best
}

function byKey (
  bucket: Bucket, field: string, lookup: Exclude<Lookup, { kind: 'range' }>, isAlone: boolean
): Source | undefined {
  if (field !== bucket.schema.key) return undefined
  const values = lookup.kind === 'equal' ? [lookup.value] : lookup.values
  const rows = values.map(value => bucket.contents.rows.get(value)).filter(row => row !== undefined)
  return { size: rows.length, rows: () => rows, isExact: isAlone }
}

function byHash ({ hash }: FieldIndex, lookup: Exclude<Lookup, { kind: 'range' }>, isAlone: boolean): Source {
  if (lookup.kind === 'equal') {
    const { value } = lookup
    return { size: hash.size(value), rows: () => [...hash.rows(value)], isExact: isAlone }
  }
  const size = lookup.values.reduce<number>((sum, value) => sum + hash.size(value), 0)
  return {
    size,
    isExact: isAlone,
    rows () {
      const rows: Row[] = []
      for (const value of lookup.values) for (const row of hash.rows(value)) rows.push(row)
      return rows
    }
  }
}

function byRange (
  bucket: Bucket, index: FieldIndex, range: Range, { conditions, choices }: CompiledFilter,
  onMissingOrder?: (index: FieldIndex) => void
): Source | undefined {
  const { scalarType } = index.options
  if (!isOfType(range, scalarType)) return undefined
  if (bucket.size < MIN_ORDERED) return undefined
  const { ordered } = index
  if (ordered === undefined) {
    onMissingOrder?.(index)
    return undefined
  }
  const isExact = choices.length === 0 && conditions.every(condition => isExactRange(condition, index))
  return { size: ordered.estimate(range), rows: () => ordered.rowsOf(range), isExact }
}

/** Tells whether a condition holds for just the values of one range of an index. */
export function isExactRange ({ field, lookup }: Condition, index: FieldIndex): boolean {
  if (field !== index.options.field || lookup?.kind !== 'range' || lookup.isPrefix === true) return false
  return isOfType(lookup.range, index.options.scalarType)
}

function isOfType ({ lower, upper }: Range, type: string | undefined): boolean {
  return [lower, upper].every(bound => bound === undefined || nameOfType(bound) === type)
}

function nameOfType (value: unknown): string {
  return typeof value
}

/** Returns the part that both ranges have; bounds of two types make no range at all. */
function narrow (known: Range | undefined, range: Range): Range {
  if (known === undefined) return range
  const lower = stronger(known.lower, known.isLowerExcluded, range.lower, range.isLowerExcluded, 1)
  const upper = stronger(known.upper, known.isUpperExcluded, range.upper, range.isUpperExcluded, -1)
  return {
    ...(lower && { lower: lower[0], isLowerExcluded: lower[1] }),
    ...(upper && { upper: upper[0], isUpperExcluded: upper[1] })
  }
}

function stronger (
  a: Scalar | undefined, isAExcluded = false, b: Scalar | undefined, isBExcluded = false, sign: 1 | -1
): readonly [Scalar, boolean] | undefined {
  if (a === undefined) return b === undefined ? undefined : [b, isBExcluded]
  if (b === undefined) return [a, isAExcluded]
  // Compared only when of one type: the planner gives up on a bound of another type than the index has.
  if (typeof a !== typeof b) return [a, isAExcluded]
  if (a === b) return [a, isAExcluded || isBExcluded]
  return (a > b) === (sign === 1) ? [a, isAExcluded] : [b, isBExcluded]
}

/** Rows that one of several filters finds, when there is an index for each of them. */
function union (
  bucket: Bucket, choice: readonly CompiledFilter[], isAlone: boolean,
  onMissingOrder?: (index: FieldIndex) => void
): Source | undefined {
  const sources: Source[] = []
  let size = 0
  for (const filter of choice) {
    const source = cheapest(bucket, filter, onMissingOrder)
    if (source === undefined) return undefined
    sources.push(source)
    size += source.size
  }
  const isExact = isAlone && sources.every(source => source.isExact)
  return { size, isExact, rows: () => [...new Set(sources.flatMap(source => source.rows()))] }
}
