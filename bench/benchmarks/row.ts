import type { Cost } from '../driver/rounds.js'
import { median, type Latency } from '../driver/statistics.js'

/** One line of the report. */
export interface Row {
  readonly name: string
  readonly unit: string
  /** The figure of the server that noex is compared with. */
  readonly bare?: number
  readonly noex: number
  /** Lowest and highest ratio of a single round: how much to trust the line. */
  readonly spread?: readonly [number, number]
  readonly latency?: { readonly bare: Latency, readonly noex: Latency }
  readonly target?: Target
  /** Stands behind the figures. */
  readonly note?: string
}

/** A limit for the ratio or the difference, or the figure that is expected where nothing is compared. */
export type Target =
  | { readonly ratioAtMost: number }
  | { readonly ratioAtLeast: number }
  | { readonly ratioFrom: number, readonly ratioTo: number }
  | { readonly addedAtMost: number }
  | { readonly atMost: number }
  | { readonly exactly: number }

/** Compares what an operation costs on two servers. */
export function compareCosts (name: string, bare: Cost, noex: Cost, ratioAtMost?: number): Row {
  return {
    ...compareRounds(name, 'µs CPU', bare.rounds, noex.rounds, ratioAtMost),
    latency: { bare, noex }
  }
}

/** Compares the figures of rounds, of which those with the same index were measured side by side. */
export function compareRounds (
  name: string,
  unit: string,
  bare: readonly number[],
  noex: readonly number[],
  ratioAtMost?: number
): Row {
  const ratios = noex.map((figure, i) => figure / (bare[i] ?? NaN))
  return {
    name,
    unit,
    bare: median(bare),
    noex: median(noex),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    ...(ratioAtMost === undefined ? {} : { target: { ratioAtMost } })
  }
}
