import type { Registry } from 'prom-client'
import type { EventLoopReading } from './event-loop-delay.js'
import type { PromClient } from './load-prom-client.js'
import type { MetricsSnapshot } from './metrics-snapshot.js'
import { RequestDurations } from './request-durations.js'
import type { OperationMetrics } from './request-metrics.js'

/** Sets the value of a metric that has no label. */
type SetOne = (value: number) => void

/**
 * Sets the values of a metric that has labels: those of the labels in their order, and the value. What is not
 * named is gone.
 */
type SetAll = (samples: Iterable<readonly [...labels: string[], value: number]>) => void

/** All metrics in a registry of their own: each `text` sets them anew and writes them. docs/metrics.md. */
export class Exposition {
  readonly #registry: Registry
  readonly #durations = new RequestDurations()
  readonly #set: ReturnType<typeof define>

  constructor (prom: PromClient) {
    this.#registry = new prom.Registry()
    this.#set = define(prom, this.#registry)
    this.#registry.registerMetric(this.#durations.asMetric)
  }

  get contentType (): string {
    return this.#registry.contentType
  }

  /**
   * The text format of Prometheus. What two calls at a time write does not mix: the values are taken before
   * the first wait.
   */
  async text (
    readings: MetricsSnapshot,
    operations: readonly OperationMetrics[],
    eventLoop: EventLoopReading
  ): Promise<string> {
    const set = this.#set
    set.uptime(readings.uptimeMs / 1_000)
    set.ready(Number(readings.ready))
    set.draining(Number(readings.draining))
    set.connections(readings.connections)
    set.authenticated(readings.authenticated)
    set.subscriptions(Object.entries(readings.subscriptions))
    set.feeds(Object.entries(readings.distinctSubscriptions))
    set.evaluations(readings.evaluations)
    set.pushes(Object.entries(readings.pushes))
    set.queued(readings.queued.allBytes)
    set.largestQueue(readings.queued.largestBytes)
    set.refusals(Object.entries(readings.rejections))
    set.closes(Object.entries(readings.closes))
    set.requests(
      operations.flatMap(({ operation, codes }) =>
        [...codes].map(([code, count]) => [operation, code, count] as const)
      )
    )
    this.#durations.set(operations)
    set.storeUnavailable(Number(readings.store.isUnavailable))
    set.storeLag(readings.store.lagMs / 1_000)
    set.storeDisk(readings.store.diskBytes)
    this.#setSinks(readings)
    set.delayP50(eventLoop.p50)
    set.delayP99(eventLoop.p99)
    set.delayMax(eventLoop.max)
    return await this.#registry.metrics()
  }

  /** Nothing keeps an application from giving two sinks one name: then the second has its place behind it. */
  #setSinks ({ sinks }: MetricsSnapshot): void {
    const named = sinks.map((sink, i) => {
      const isFirst = sinks.findIndex(({ name }) => name === sink.name) === i
      return { sink, label: isFirst ? sink.name : `${sink.name}#${i + 1}` }
    })
    this.#set.sinkLag(named.map(({ sink, label }) => [label, sink.lagMs / 1_000]))
    this.#set.sinkQueued(named.map(({ sink, label }) => [label, sink.queued]))
    this.#set.sinkDropped(named.map(({ sink, label }) => [label, sink.dropped]))
    this.#set.sinkFailing(named.map(({ sink, label }) => [label, Number(sink.problem !== null)]))
  }
}

/** Registers every metric but the durations, and returns what sets each. */
function define (prom: PromClient, registry: Registry) {
  const registers = [registry]

  function gauge (name: string, help: string): SetOne {
    const metric = new prom.Gauge({ name, help, registers })
    return value => { metric.set(value) }
  }

  function gauges (name: string, help: string, ...labelNames: string[]): SetAll {
    const metric = new prom.Gauge({ name, help, labelNames, registers })
    return samples => {
      metric.reset()
      for (const [labels, value] of labelled(labelNames, samples)) metric.set(labels, value)
    }
  }

  /** What counts knows its count already; a counter of prom-client can only be added to. */
  function counter (name: string, help: string): SetOne {
    const metric = new prom.Counter({ name, help, registers })
    return value => {
      metric.reset()
      metric.inc(value)
    }
  }

  function counters (name: string, help: string, ...labelNames: string[]): SetAll {
    const metric = new prom.Counter({ name, help, labelNames, registers })
    return samples => {
      metric.reset()
      for (const [labels, value] of labelled(labelNames, samples)) metric.inc(labels, value)
    }
  }

  return {
    uptime: gauge('noex_uptime_seconds', 'Time since the plugin started.'),
    ready: gauge(
      'noex_ready',
      'Whether clients should be sent here: 1, or 0 during a shutdown and while the audit trail or the log ' +
        'of the store cannot be written.'
    ),
    draining: gauge('noex_draining', 'Whether the service is shutting down: 0 or 1.'),
    connections: gauge('noex_connections', 'WebSocket connections.'),
    authenticated: gauge(
      'noex_authenticated_connections',
      'WebSocket connections on which somebody is logged in.'
    ),
    subscriptions: gauges(
      'noex_subscriptions',
      'Subscriptions to live queries (store) and to rule events (rules).',
      'kind'
    ),
    feeds: gauges(
      'noex_feeds',
      'Distinct live queries (store) and event patterns (rules) that are watched.',
      'kind'
    ),
    evaluations: counter('noex_evaluations_total', 'Evaluations of live queries.'),
    pushes: counters('noex_pushes_total', 'Pushes, one for each client that was sent it.', 'kind'),
    queued: gauge('noex_queued_bytes', 'Bytes that wait for clients to read them, of all connections.'),
    largestQueue: gauge(
      'noex_largest_queue_bytes',
      'Bytes that wait for the client that has most of them waiting.'
    ),
    refusals: counters(
      'noex_refusals_total',
      'Upgrades, connections and requests that were refused, by the limit that was reached.',
      'limit'
    ),
    closes: counters('noex_closes_total', 'Connections that have ended, by reason.', 'reason'),
    requests: counters(
      'noex_requests_total',
      'Requests that were answered, by operation and by ok or the code of the error.',
      'operation',
      'code'
    ),
    storeUnavailable: gauge(
      'noex_store_unavailable', 'Whether the store refuses writes because its log takes none: 0 or 1.'
    ),
    storeLag: gauge(
      'noex_store_lag_seconds', 'Age of the oldest commit of the store that is not durable yet.'
    ),
    storeDisk: gauges(
      'noex_store_disk_bytes',
      'Bytes that the log of the store and its snapshots take, and that are free.',
      'kind'
    ),
    sinkLag: gauges(
      'noex_audit_lag_seconds',
      'Age of the oldest audit entry that is not durable yet.',
      'sink'
    ),
    sinkQueued: gauges('noex_audit_queued_entries', 'Audit entries that are not durable yet.', 'sink'),
    sinkDropped: counters(
      'noex_audit_dropped_entries_total',
      'Audit entries that were left out, each in a gap that the trail names.',
      'sink'
    ),
    sinkFailing: gauges('noex_audit_failing', 'Whether audit entries do not become durable: 0 or 1.', 'sink'),
    delayP50: gauge(
      'noex_event_loop_delay_p50_seconds',
      'Median of the delay of the event loop in the last one or two minutes.'
    ),
    delayP99: gauge(
      'noex_event_loop_delay_p99_seconds',
      '99th percentile of the delay of the event loop in the last one or two minutes.'
    ),
    delayMax: gauge(
      'noex_event_loop_delay_max_seconds',
      'Longest delay of the event loop in the last one or two minutes.'
    )
  }
}

/** Samples with their labels by name, as prom-client takes them. */
function * labelled (
  names: readonly string[],
  samples: Iterable<readonly [...labels: string[], value: number]>
): Generator<[Record<string, string>, number]> {
  for (const sample of samples) {
    const labels = Object.fromEntries(names.map((name, i) => [name, String(sample[i])]))
    yield [labels, sample[names.length] as number]
  }
}
