import type { Metric } from 'prom-client'
import { DURATION_BOUNDS, type OperationMetrics } from './request-metrics.js'

interface Sample {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = 'noex_request_duration_seconds'

/**
 * A histogram for a registry of prom-client that is set as a whole: its own takes single observations only.
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

  /** Returns the metric; called by the registry at a scrape. */
  async get (): Promise<object> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: this.#samples }
  }

  /** Removes all samples; called by the registry. */
  reset (): void {
    this.#samples = []
  }

  /** This object as a metric of prom-client: its registry uses no other members. */
  get asMetric (): Metric {
    return this as unknown as Metric
  }
}

/** Returns the samples of one operation. The buckets of Prometheus are cumulative. */
function samplesOf ({ operation, buckets, totalMs }: OperationMetrics): Sample[] {
  let count = 0
  const cumulative = [...DURATION_BOUNDS.map(String), '+Inf'].map((le, i) => {
    count += buckets[i] ?? 0
    return { metricName: `${NAME}_bucket`, labels: { operation, le }, value: count }
  })
  return [
    ...cumulative,
    { metricName: `${NAME}_sum`, labels: { operation }, value: totalMs / 1_000 },
    { metricName: `${NAME}_count`, labels: { operation }, value: count }
  ]
}
