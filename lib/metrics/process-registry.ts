import type { Registry } from 'prom-client'

type PromClient = Pick<typeof import('prom-client'), 'collectDefaultMetrics' | 'Registry'>

/** One for the process: prom-client never stops to measure what it has begun to. */
let registry: Registry | undefined

/**
 * Returns the registry of the process, with the default metrics of prom-client: `process_…` for memory, CPU
 * and files, `nodejs_…` for heap, garbage collection and the event loop. It is not the global registry of
 * prom-client, which is the application's.
 */
export function processRegistry (prom: PromClient): Registry {
  if (registry === undefined) {
    registry = new prom.Registry()
    prom.collectDefaultMetrics({ register: registry })
    for (const { name, type } of registry.getMetricsAsArray() as unknown as readonly PromMetric[]) {
      // Prometheus takes what ends so for a counter.
      if (type !== 'counter' && name.endsWith('_total')) registry.removeSingleMetric(name)
    }
  }
  return registry
}

interface PromMetric {
  readonly name: string
  readonly type: string
}
