import type { CompiledFilter } from '../filter/filter.js'
import type { Scalar } from '../index/ordered-index.js'

/** A value, or a range of values, of one field: a record that matches the filter has it. */
export type Anchor =
  | { readonly kind: 'value', readonly field: string, readonly value: unknown }
  | {
    readonly kind: 'range'
    readonly field: string
    readonly lower: Scalar | undefined
    readonly upper: Scalar | undefined
  }

/** Anchors that one filter may have. */
const MAX_ANCHORS = 1_000

/** A range is taken instead of a value that more filters have than this. */
const RANGE_COST = 16

/** How many filters are anchored at a value of a field, and at how many values of it. */
export interface AnchorCounts {
  at (field: string, value: unknown): number
  valuesOf (field: string): number
}

interface Choice {
  readonly anchors: readonly Anchor[]
  /** About as many other filters are found together with this one. */
  readonly cost: number
  /** Number of values by which filters differ; of two that cost the same, the greater one is better. */
  readonly spread: number
}

/**
 * Chooses anchors of a filter, so that each record which matches has one of them, and few other filters have
 * the same; `undefined` where it has none: such a filter must be tried on every record.
 */
export function anchorsOf (
  filter: CompiledFilter | undefined, counts: AnchorCounts
): readonly Anchor[] | undefined {
  return filter === undefined ? undefined : bestOf(filter, counts)?.anchors
}

function bestOf ({ conditions, choices }: CompiledFilter, counts: AnchorCounts): Choice | undefined {
  let best: Choice | undefined
  const consider = (choice: Choice | undefined): void => {
    if (choice === undefined || choice.anchors.length > MAX_ANCHORS) return
    if (
      best === undefined || choice.cost < best.cost ||
      (choice.cost === best.cost && choice.spread > best.spread)
    ) best = choice
  }
  for (const { field, lookup } of conditions) {
    if (lookup === undefined || lookup.kind === 'range') continue
    consider(valuesOf(field, lookup.kind === 'equal' ? [lookup.value] : lookup.values, counts))
  }
  for (const range of rangesOf(conditions)) consider({ anchors: [range], cost: RANGE_COST, spread: 0 })
  for (const choice of choices) consider(unionOf(choice, counts))
  return best
}

function valuesOf (field: string, values: readonly unknown[], counts: AnchorCounts): Choice | undefined {
  if (values.length > MAX_ANCHORS) return undefined
  const cost = values.reduce<number>((sum, value) => sum + counts.at(field, value), 0)
  const anchors = values.map((value): Anchor => ({ kind: 'value', field, value }))
  return { anchors, cost, spread: counts.valuesOf(field) }
}

/** The part that all ranges of each field have; of bounds of two types those of the first range count. */
function rangesOf (conditions: CompiledFilter['conditions']): Iterable<Extract<Anchor, { kind: 'range' }>> {
  const ranges = new Map<string, Extract<Anchor, { kind: 'range' }>>()
  for (const { field, lookup } of conditions) {
    if (lookup?.kind !== 'range') continue
    const { lower, upper } = lookup.range
    const known = ranges.get(field)
    if (known === undefined) ranges.set(field, { kind: 'range', field, lower, upper })
    else if (typeof (known.lower ?? known.upper) === typeof (lower ?? upper)) {
      ranges.set(field, {
        kind: 'range', field, lower: greater(known.lower, lower), upper: less(known.upper, upper)
      })
    }
  }
  return ranges.values()
}

function greater (a: Scalar | undefined, b: Scalar | undefined): Scalar | undefined {
  return a === undefined ? b : b === undefined || a > b ? a : b
}

function less (a: Scalar | undefined, b: Scalar | undefined): Scalar | undefined {
  return a === undefined ? b : b === undefined || a < b ? a : b
}

/** The anchors of all filters of which one must hold; `undefined` where one of them has none. */
function unionOf (filters: readonly CompiledFilter[], counts: AnchorCounts): Choice | undefined {
  const anchors: Anchor[] = []
  let cost = 0
  for (const filter of filters) {
    const best = bestOf(filter, counts)
    if (best === undefined) return undefined
    for (const anchor of best.anchors) anchors.push(anchor)
    if (anchors.length > MAX_ANCHORS) return undefined
    cost += best.cost
  }
  return { anchors, cost, spread: 0 }
}
