import type { Metric } from 'prom-client'

interface Sample {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The durations of one label. */
export interface LabelledDurations {
  readonly label: string
  /** Durations in each bucket, not cumulative; the last is above all bounds. */
  readonly buckets: ArrayLike<number>
  readonly totalMs: number
}

/** How a histogram of durations is called, and what its label and its bounds in seconds are. */
export interface DurationsDefinition {
  readonly name: string
  readonly help: string
  readonly label: string
  readonly bounds: readonly number[]
}

/**
 * A histogram for a registry of prom-client that is set as a whole: its own takes single observations only.
 */
export class Durations {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #definition: DurationsDefinition
  #samples: readonly Sample[] = []

  constructor (definition: DurationsDefinition) {
    this.name = definition.name
    this.help = definition.help
    this.#definition = definition
  }

  set (durations: readonly LabelledDurations[]): void {
    this.#samples = durations.flatMap(one => this.#samplesOf(one))
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

  /** Returns the samples of one label. The buckets of Prometheus are cumulative. */
  #samplesOf ({ label, buckets, totalMs }: LabelledDurations): Sample[] {
    const { name, label: labelName, bounds } = this.#definition
    const labels = { [labelName]: label }
    let count = 0
    const cumulative = [...bounds.map(String), '+Inf'].map((le, i) => {
      count += buckets[i] ?? 0
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
    })
    return [
      ...cumulative,
      { metricName: `${name}_sum`, labels, value: totalMs / 1_000 },
      { metricName: `${name}_count`, labels, value: count }
    ]
  }
}
