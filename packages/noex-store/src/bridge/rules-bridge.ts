import type { Store } from '../store/store.js'
import type { BucketEvent } from '../types/events.js'

/** Takes events, as a rule engine does. */
export interface EventReceiver {
  emit (topic: string, data: Record<string, unknown>): Promise<unknown>
}

/** Events that are forwarded, and their form. */
export interface BridgeOptions {
  /** Tells which events are forwarded. By default all are. */
  readonly filter?: (event: BucketEvent) => boolean
  /** Returns the topic under which an event is forwarded. By default its own. */
  readonly mapTopic?: (topic: string, event: BucketEvent) => string
  /** Returns what is forwarded. By default the event. */
  readonly mapData?: (event: BucketEvent) => Record<string, unknown>
}

/**
 * Forwards the events of all buckets to a receiver, whose failures do not concern the store. Resolves with
 * what ends it.
 */
export async function bridgeStoreToRules (
  store: Store, receiver: EventReceiver, options: BridgeOptions = {}
): Promise<() => Promise<void>> {
  const { filter, mapTopic, mapData } = options
  return await store.on<BucketEvent>('bucket.*.*', (event, topic) => {
    if (filter !== undefined && !filter(event)) return
    const data = mapData === undefined ? event as unknown as Record<string, unknown> : mapData(event)
    receiver.emit(mapTopic === undefined ? topic : mapTopic(topic, event), data).catch(() => {})
  })
}
