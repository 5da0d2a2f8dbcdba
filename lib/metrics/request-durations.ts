import type { Metric } from 'prom-client'
import { DURATION_BOUNDS, type OperationMetrics } from './request-metrics.js'

interface Sample {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = 'noex_request_duration_seconds'

/**
 * What the last `set` was given, as a histogram of prom-client, whose own can only be fed one observation at
 * a time.
 */
export class RequestDurations {
  readonly name = NAME
  readonly help = 'Time from the arrival of a request to its reply.'
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  #samples: readonly Sample[] = []

  set (operations: readonly OperationMetrics[]): void {
    this.#samples = operations.flatMap(samplesOf)
  }

  /** What a registry calls at a scrape. */
  async get (): Promise<object> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: this.#samples }
  }

  /** What a registry calls to forget everything. */
  reset (): void {
    this.#samples = []
  }

  /** The same, as the type of prom-client: its registry asks for no more than what is here. */
  get asMetric (): Metric {
    return this as unknown as Metric
  }
}

/** The buckets of Prometheus count what those before them have counted too. */
function samplesOf ({ operation, buckets, totalMs }: OperationMetrics): Sample[] {
  let count = 0
  const cumulated = [...DURATION_BOUNDS.map(String), '+Inf'].map((le, i) => {
    count += buckets[i] ?? 0
    return { metricName: `${NAME}_bucket`, labels: { operation, le }, value: count }
  })
  return [
    ...cumulated,
    { metricName: `${NAME}_sum`, labels: { operation }, value: totalMs / 1_000 },
    { metricName: `${NAME}_count`, labels: { operation }, value: count }
  ]
}
