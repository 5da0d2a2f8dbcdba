import type { Registry } from 'prom-client'
import { NoexOptionsError } from '../util/option-schema.js'
import { EVALUATION_BOUNDS } from '../subscriptions/query-metrics.js'
import { Durations } from './durations.js'
import type { MetricsSnapshot } from './metrics-snapshot.js'
import { processRegistry } from './process-registry.js'
import { DURATION_BOUNDS } from './request-metrics.js'

/** The part of `prom-client` that is used. */
type PromClient = Pick<typeof import('prom-client'),
  'collectDefaultMetrics' | 'Counter' | 'Gauge' | 'Registry'>

async function loadPromClient (): Promise<PromClient> {
  try {
    return (await import('prom-client')).default
  } catch (error) {
    throw new NoexOptionsError('routes.metrics', 'needs the package prom-client: npm install prom-client', {
      cause: error
    })
  }
}

/** Sets the value of a metric without labels. */
type SetOne = (value: number) => void

/**
 * Sets all samples of a metric with labels: the labels in order, then the value. Other samples are removed.
 */
type SetAll = (samples: Iterable<readonly [...labels: string[], value: number]>) => void

/**
 * Writes all metrics of a snapshot in the Prometheus text format, from a registry of its own: they are
 * separate from those of other services in the process and of the application. docs/metrics.md.
 */
export class Exposition {
  readonly #registry: Registry
  readonly #processRegistry: Registry
  readonly #requestDurations = new Durations({
    name: 'noex_request_duration_seconds',
    help: 'Time from the arrival of a request to its reply.',
    label: 'operation',
    bounds: DURATION_BOUNDS
  })

  readonly #evaluationDurations = new Durations({
    name: 'noex_evaluation_seconds',
    help: 'Time that evaluations of queries take, by query: from the start to the result.',
    label: 'query',
    bounds: EVALUATION_BOUNDS
  })

  readonly #set: ReturnType<typeof define>

  private constructor (prom: PromClient) {
    this.#registry = new prom.Registry()
    this.#processRegistry = processRegistry(prom)
    this.#set = define(prom, this.#registry)
    for (const durations of [this.#requestDurations, this.#evaluationDurations]) {
      this.#registry.registerMetric(durations.asMetric)
    }
  }

  /**
   * Loads `prom-client`, an optional package.
   * @throws {NoexOptionsError} when it is missing or cannot be loaded
   */
  static async open (): Promise<Exposition> {
    return new Exposition(await loadPromClient())
  }

  get contentType (): string {
    return this.#registry.contentType
  }

  /**
   * Returns the metrics as text. Concurrent calls do not mix: all values are set before the first `await`.
   */
  async text (snapshot: MetricsSnapshot): Promise<string> {
    const { operations, evaluationsOf, eventLoop, buckets } = snapshot
    const set = this.#set
    set.uptime(snapshot.uptimeMs / 1_000)
    set.ready(Number(snapshot.ready))
    set.draining(Number(snapshot.draining))
    set.connections(snapshot.connections)
    set.connectionLimit(snapshot.connectionLimit === Infinity ? [] : [[snapshot.connectionLimit]])
    set.authenticated(snapshot.authenticated)
    set.subscriptions(Object.entries(snapshot.subscriptions))
    set.liveQueries(Object.entries(snapshot.distinctSubscriptions))
    set.evaluations(snapshot.evaluations)
    set.slowEvaluations(evaluationsOf.map(({ query, slow }) => [query, slow]))
    set.records(buckets.map(([bucket, { records }]) => [bucket, records]))
    set.bucketBytes(buckets.map(([bucket, { bytes }]) => [bucket, bytes]))
    set.liveBytes(snapshot.live.bytes)
    set.resumeKeys(snapshot.live.resume.keys)
    set.resumeBytes(snapshot.live.resume.bytes)
    set.pushes(Object.entries(snapshot.pushes))
    set.queued(snapshot.queued.allBytes)
    set.largestQueue(snapshot.queued.largestBytes)
    set.rejections(Object.entries(snapshot.rejections))
    set.closes(Object.entries(snapshot.closes))
    set.requests(
      operations.flatMap(({ operation, codes }) =>
        [...codes].map(([code, count]) => [operation, code, count] as const)
      )
    )
    this.#requestDurations.set(
      operations.map(({ operation, buckets, totalMs }) => ({ label: operation, buckets, totalMs }))
    )
    this.#evaluationDurations.set(evaluationsOf.map(({ query, durations }) => (
      { label: query, buckets: durations.buckets, totalMs: durations.sum }
    )))
    set.storeUnavailable(Number(snapshot.store.isUnavailable))
    set.storeLag(snapshot.store.lagMs / 1_000)
    set.storeDisk(snapshot.store.diskBytes)
    this.#setSinks(snapshot)
    set.heapLimit(snapshot.heapLimitBytes)
    set.delayP50(eventLoop.p50)
    set.delayP99(eventLoop.p99)
    set.delayMax(eventLoop.max)
    const texts = await Promise.all([this.#registry.metrics(), this.#processRegistry.metrics()])
    return texts.join('')
  }

  /**
   * Sets the metrics of the sinks. When two have the same name, the label of the second ends with its number.
   */
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

/** Registers every metric but durations and those of the process. Returns a function for each to set it. */
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

  /**
   * A counter of prom-client can only be incremented, but the snapshot has totals: it starts again from 0.
   */
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
    connectionLimit: gauges(
      'noex_connections_limit', 'Connections that there may be; absent where they are unlimited.'
    ),
    authenticated: gauge(
      'noex_authenticated_connections',
      'WebSocket connections that have a session.'
    ),
    subscriptions: gauges(
      'noex_subscriptions',
      'Subscriptions to live queries (store) and to rule events (rules).',
      'kind'
    ),
    liveQueries: gauges(
      'noex_feeds',
      'Distinct live queries (store) and event patterns (rules) that are watched.',
      'kind'
    ),
    evaluations: counter('noex_evaluations_total', 'Evaluations of queries.'),
    slowEvaluations: counters(
      'noex_slow_evaluations_total', 'Evaluations of queries that took slowMs or longer, by query.', 'query'
    ),
    records: gauges('noex_records', 'Records in the store, by bucket.', 'bucket'),
    bucketBytes: gauges(
      'noex_bucket_bytes', 'Estimated bytes of the records in the store as JSON, by bucket.', 'bucket'
    ),
    liveBytes: gauge('noex_live_query_bytes', 'Estimated bytes that live queries keep.'),
    resumeKeys: gauge('noex_resume_keys', 'Changes that are remembered for clients that come back.'),
    resumeBytes: gauge('noex_resume_bytes', 'Estimated bytes of the changes that are remembered.'),
    pushes: counters('noex_pushes_total', 'Pushes, one for each client that was sent it.', 'kind'),
    queued: gauge('noex_queued_bytes', 'Bytes that wait for clients to read them, of all connections.'),
    largestQueue: gauge(
      'noex_largest_queue_bytes',
      'Bytes that wait for the client that has most of them waiting.'
    ),
    rejections: counters(
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
    heapLimit: gauge('noex_heap_limit_bytes', 'Bytes beyond which the heap of the process cannot grow.'),
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

/** Yields samples with their labels by name, as prom-client expects them. */
function * labelled (
  names: readonly string[],
  samples: Iterable<readonly [...labels: string[], value: number]>
): Generator<[Record<string, string>, number]> {
  for (const sample of samples) {
    const labels = Object.fromEntries(names.map((name, i) => [name, String(sample[i])]))
    yield [labels, sample[names.length] as number]
  }
}
