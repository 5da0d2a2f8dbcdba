import type { Change, Commit, RecordChange } from '../types/commit.js'
import type { BucketEvent } from '../types/events.js'
import { callSafely } from '../util/call-safely.js'

export type EventHandler = (message: never, topic: string) => unknown

interface Subscriber {
  /** `undefined` for a pattern without wildcards. */
  readonly match: TopicMatch | undefined
  readonly handler: (message: unknown, topic: string) => unknown
}

const eventTypes = { insert: 'inserted', update: 'updated', delete: 'deleted' } as const

/** Publishes each changed record of a commit on `bucket.NAME.TYPE`, in order. */
export class EventHub {
  readonly #exact = new Map<string, Set<Subscriber>>()
  readonly #wildcards = new Set<Subscriber>()
  readonly #onFailure: (error: unknown) => void

  /** `onFailure` hears what a handler throws or rejects with. */
  constructor (onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure
  }

  subscribe (pattern: string, handler: EventHandler): () => void {
    const isWild = hasWildcard(pattern)
    const subscriber: Subscriber = {
      match: isWild ? compilePattern(pattern) : undefined,
      handler: handler as Subscriber['handler']
    }
    if (isWild) {
      this.#wildcards.add(subscriber)
      return () => { this.#wildcards.delete(subscriber) }
    }
    const subscribers = this.#exact.get(pattern) ?? new Set()
    this.#exact.set(pattern, subscribers.add(subscriber))
    return () => {
      subscribers.delete(subscriber)
      if (subscribers.size === 0 && this.#exact.get(pattern) === subscribers) this.#exact.delete(pattern)
    }
  }

  clear (): void {
    this.#exact.clear()
    this.#wildcards.clear()
  }

  /** Publishes a durable commit. */
  publish ({ changes }: Commit): void {
    if (this.#exact.size === 0 && this.#wildcards.size === 0) return
    for (const change of changes) if (isRecordChange(change)) this.#publishChange(change)
  }

  #publishChange (change: RecordChange): void {
    const type = eventTypes[change.type]
    const topic = `bucket.${change.bucket}.${type}`
    const subscribers = [...(this.#exact.get(topic) ?? [])]
    if (this.#wildcards.size > 0) {
      const segments = topic.split('.')
      for (const subscriber of this.#wildcards) {
        if (subscriber.match?.(segments) === true) subscribers.push(subscriber)
      }
    }
    if (subscribers.length === 0) return
    const event = eventOf(change)
    for (const { handler } of subscribers) callSafely(handler, this.#onFailure, event, topic)
  }
}

function isRecordChange (change: Change): change is RecordChange {
  return 'after' in change
}

function eventOf ({ type, bucket, key, before, after }: RecordChange): BucketEvent {
  switch (type) {
    case 'insert': return { type: 'inserted', bucket, key, record: after as NonNullable<typeof after> }
    case 'delete': return { type: 'deleted', bucket, key, record: before as NonNullable<typeof before> }
    case 'update': return {
      type: 'updated',
      bucket,
      key,
      oldRecord: before as NonNullable<typeof before>,
      newRecord: after as NonNullable<typeof after>
    }
  }
}

/** Tells whether the segments of a topic match a pattern. */
type TopicMatch = (segments: readonly string[]) => boolean

/** Tells whether a pattern has wildcards; without any it matches the topic of its own name alone. */
function hasWildcard (pattern: string): boolean {
  return pattern.split('.').includes('*')
}

/**
 * Compiles a pattern of topics. Segments are separated by `.`; a segment `*` stands for one segment, at the
 * end for one or more, and `*` alone for every topic.
 */
function compilePattern (pattern: string): TopicMatch {
  if (pattern === '*') return () => true
  const wanted = pattern.split('.')
  const isOpen = wanted.at(-1) === '*'
  return segments => {
    if (isOpen ? segments.length < wanted.length : segments.length !== wanted.length) return false
    return wanted.every((segment, i) => segment === '*' || segment === segments[i])
  }
}
