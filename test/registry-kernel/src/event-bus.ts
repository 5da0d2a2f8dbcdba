import type { GenServerBehavior } from './behavior.js'
import { DEFAULTS } from './defaults.js'
import { ServerNotRunningError } from './errors.js'
import { GenServer } from './gen-server.js'
import { launch } from './launch.js'
import type { GenServerRef } from './ref.js'
import type { Server } from './server.js'
import { type Subscription, SubscriptionTable, type TopicHandler } from './subscription-table.js'
import { isThenable } from './thenable.js'

/** A message on its way through a bus. */
interface Publication {
  readonly topic: string
  readonly message: unknown
}

/** One request to a bus, in turn with the events that are published. */
type BusRequest = (subscriptions: SubscriptionTable) => unknown

/** The address of a bus; also the ref of a server, so that a bus can be supervised. */
export type EventBusRef = GenServerRef<SubscriptionTable, BusRequest, Publication, unknown>

/** How a bus is started. */
export interface EventBusOptions {
  /** A name that no other running server of this process has. */
  readonly name?: string
}

interface Bus {
  readonly server: Server<SubscriptionTable, BusRequest, Publication, unknown>
  readonly subscriptions: SubscriptionTable
}

const buses = new Map<string, Bus>()

/**
 * Publishes messages to the handlers whose pattern matches the topic.
 *
 * One queue per bus holds publications, subscriptions, unsubscriptions and questions, so each takes
 * effect in the order in which it was made.
 */
export const EventBus = {
  start, subscribe, publish, publishSync, getSubscriptionCount, getTopics, isRunning, stop
}

/** Starts a bus and gives its ref. Rejects with `AlreadyRegisteredError` when the name is taken. */
async function start (options: EventBusOptions = {}): Promise<EventBusRef> {
  const subscriptions = new SubscriptionTable()
  const server = await launch('bus', busBehavior(subscriptions), options)
  const { id } = server
  buses.set(id, { server, subscriptions })
  server.onStop(() => { buses.delete(id) })
  return { id }
}

/**
 * Subscribes a handler to the topics that match a pattern, and gives the function that ends it.
 *
 * A segment `*` matches exactly one segment, at the end one or more, and alone every topic. The
 * handler is not awaited, and what it throws or rejects with is dropped. Once the promise of the
 * returned function resolves, the handler is given nothing more; calling it again, or after the bus
 * has stopped, does nothing. Rejects with `ServerNotRunningError`.
 */
async function subscribe<T = unknown> (
  ref: EventBusRef,
  pattern: string,
  handler: (message: T, topic: string) => void
): Promise<() => Promise<void>> {
  // Publishers and subscribers of a topic agree on T; the bus cannot check it.
  const id = await request(ref, subscriptions => subscriptions.add(pattern, handler as TopicHandler))
  return async function unsubscribe () {
    if (isRunning(ref)) await request(ref, subscriptions => subscriptions.remove(id))
  }
}

/**
 * Gives a message to every subscriber whose pattern matches the topic.
 *
 * On an idle bus the handlers have run when this returns. From inside a handler the message is queued
 * behind the one being delivered. Every handler gets the same object. Throws `ServerNotRunningError`.
 */
function publish (ref: EventBusRef, topic: string, message: unknown): void {
  const bus = buses.get(ref.id)
  if (bus === undefined) throw new ServerNotRunningError(ref.id)
  // Nothing is queued and there is no listener: there is nothing to do.
  if (bus.server.isIdle && bus.subscriptions.matching(topic).length === 0) return
  bus.server.cast({ topic, message })
}

/** Publishes, and resolves when the message was given to its subscribers. */
async function publishSync (ref: EventBusRef, topic: string, message: unknown): Promise<void> {
  await request(ref, subscriptions => deliver(subscriptions.matching(topic), message, topic))
}

/**
 * Counts the subscriptions.
 * Resolves only after everything published before was given to its subscribers.
 */
function getSubscriptionCount (ref: EventBusRef): Promise<number> {
  return request(ref, subscriptions => subscriptions.size)
}

/** Lists the distinct patterns that have subscribers. */
function getTopics (ref: EventBusRef): Promise<string[]> {
  return request(ref, subscriptions => subscriptions.patterns())
}

/** Tells whether a bus has started and not yet stopped. */
function isRunning (ref: EventBusRef): boolean {
  return buses.has(ref.id)
}

/** Stops a bus after what was published before. A bus that has stopped is fine. */
function stop (ref: EventBusRef): Promise<void> {
  return GenServer.stop(ref)
}

function request<T> (ref: EventBusRef, ask: (subscriptions: SubscriptionTable) => T): Promise<T> {
  const bus = buses.get(ref.id)
  if (bus === undefined) return Promise.reject(new ServerNotRunningError(ref.id))
  return bus.server.call(ask, DEFAULTS.CALL_TIMEOUT) as Promise<T>
}

function busBehavior (
  subscriptions: SubscriptionTable
): GenServerBehavior<SubscriptionTable, BusRequest, Publication, unknown> {
  return {
    init: () => subscriptions,
    handleCall: ask => [ask(subscriptions), subscriptions],
    handleCast ({ topic, message }) {
      deliver(subscriptions.matching(topic), message, topic)
      return subscriptions
    }
  }
}

function deliver (targets: readonly Subscription[], message: unknown, topic: string): void {
  for (const { handler } of targets) {
    try {
      const outcome: unknown = handler(message, topic)
      if (isThenable(outcome)) outcome.then(undefined, ignore)
    } catch {
      // One subscriber's error is not the publisher's, and the others still get the message.
    }
  }
}

function ignore (): void {}
