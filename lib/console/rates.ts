import type { OperationFigures, Stats } from './wire.js'

/** An operation with its rates since the last look. */
export interface OperationRow extends OperationFigures {
  readonly type: string
  readonly perSecond: number
  readonly bytesPerSecond: number
  /** Seconds of work in each second. */
  readonly load: number
}

/** Rates between two looks at the statistics; `null` where they cannot be told. */
export interface Rates {
  readonly operationsPerSecond: number | null
  readonly refusalsPerSecond: number | null
  /** Share of one core. */
  readonly cpu: number | null
  readonly operations: readonly OperationRow[]
}

const sum = (values: Readonly<Record<string, number>> | undefined): number =>
  Object.values(values ?? {}).reduce((total, value) => total + value, 0)

/** Computes the rates of what was counted between two statistics, `seconds` apart. */
export function ratesOf (now: Stats, before: Stats | undefined, seconds: number): Rates {
  // A server that has restarted counts from zero.
  const isNext = before !== undefined && seconds > 0 && now.uptimeMs >= before.uptimeMs
  const since = isNext ? before : undefined
  const per = (value: number, old: number | undefined): number =>
    since === undefined ? 0 : Math.max(0, value - (old ?? 0)) / seconds
  const operations = Object.entries(now.operations ?? {}).map(([type, figures]): OperationRow => {
    const old = since?.operations?.[type]
    return {
      ...figures,
      type,
      perSecond: per(figures.count, old?.count),
      bytesPerSecond: per(figures.bytesOut, old?.bytesOut),
      load: per(figures.seconds, old?.seconds)
    }
  })
  const cpuOf = ({ process }: Stats): number => {
    const { user = 0, system = 0 } = process?.cpuSeconds ?? {}
    return user + system
  }
  return {
    operationsPerSecond: since?.operations === undefined ? null : sum(perSecondOf(operations)),
    refusalsPerSecond: since?.refusals === undefined ? null : per(sum(now.refusals), sum(since.refusals)),
    cpu: since?.process === undefined ? null : per(cpuOf(now), cpuOf(since)),
    operations
  }
}

function perSecondOf (rows: readonly OperationRow[]): Record<string, number> {
  return Object.fromEntries(rows.map(({ type, perSecond }) => [type, perSecond]))
}
