import { runInNextTurn } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { isBurstOver, nextTurn } from '../util/slice.js'
import type { LiveQuery } from './live-query.js'

/** The subscriptions of one connection, which show changes together. */
export interface Receiver {
  /** Whether it is shown a revision by frames of its own, and not by those that others get too. */
  isCatchingUp: (revision: number) => boolean
  /**
   * Shows what has changed, as of `revision`. Returns whether that is done; if not, because the results are
   * of a later one already, it has to be called again.
   */
  flush: (revision: number) => boolean
}

/** The state of the store that results are of. */
export interface PublishedState {
  /** The revision of all views. */
  readonly revision: number
  /** Whether a commit is being put into the views, so that their results are of no one moment. */
  readonly isBusy: boolean
}

/**
 * Publishes the changes of live queries once per tick: first each live query, then each connection, so that
 * all live queries of a client are shown at one revision. Yields to other work between connections.
 */
export class Publisher {
  /** Number of receivers that have a revision to announce. */
  announcing = 0
  readonly #state: PublishedState
  readonly #log: Log
  #changed = new Set<LiveQuery>()
  #receivers = new Set<Receiver>()
  #isScheduled = false
  #isPublishing = false
  #isStopped = false
  /** Wakes a round that waits until a commit is in. */
  #wake = (): void => {}

  constructor (state: PublishedState, log: Log) {
    this.#state = state
    this.#log = log
  }

  /** Revision of the present results; `undefined` while they are of no one moment. */
  get revision (): number | undefined {
    return this.#state.isBusy ? undefined : this.#state.revision
  }

  /** Whether any live query has changed and is published in the next round. */
  get hasChanged (): boolean {
    return this.#changed.size > 0
  }

  /** Whether this one is. */
  isChanged (liveQuery: LiveQuery): boolean {
    return this.#changed.has(liveQuery)
  }

  /** Publishes a live query after the replies of this tick: the client that made the change comes first. */
  add (liveQuery: LiveQuery): void {
    this.#changed.add(liveQuery)
    this.schedule()
  }

  /** Flushes a connection together with the others of this tick. */
  flush (receiver: Receiver): void {
    this.#receivers.add(receiver)
    this.schedule()
  }

  /**
   * Flushes a connection at once, where all results of this moment are published: it may be allowed just now.
   */
  flushNow (receiver: Receiver): void {
    const isOfOneMoment = !this.#state.isBusy && !this.hasChanged
    if (!isOfOneMoment || this.#isStopped || !receiver.flush(this.#state.revision)) this.flush(receiver)
  }

  /** To be called when there is something to publish, and when the views have come to another revision. */
  schedule (): void {
    this.#wake()
    if (this.#isScheduled || this.#isPublishing || this.#isStopped) return
    if (this.#changed.size === 0 && this.#receivers.size === 0) return
    this.#isScheduled = true
    runInNextTurn(() => {
      this.#isScheduled = false
      // When the commit is in, the views come to its revision, and this is called again.
      if (this.#isStopped || this.#state.isBusy) return
      this.#isPublishing = true
      this.#publish().catch((error: unknown) => {
        this.#log.error({ err: error }, 'live queries failed')
      }).finally(() => {
        this.#isPublishing = false
        this.schedule()
      })
    })
  }

  stop (): void {
    this.#isStopped = true
    this.#changed.clear()
    this.#receivers.clear()
    this.#wake()
  }

  async #publish (): Promise<void> {
    const { revision } = this.#state
    const changed = this.#changed
    this.#changed = new Set()
    for (const liveQuery of changed) liveQuery.publish()
    const receivers: Receiver[] = []
    const sharing: Receiver[] = []
    for (const receiver of this.#receivers) {
      (receiver.isCatchingUp(revision) ? receivers : sharing).push(receiver)
    }
    this.#receivers = new Set()
    // Those first whose frames are made of the present results, before these can change.
    for (const receiver of sharing) receivers.push(receiver)
    let isFirst = true
    for (const receiver of receivers) {
      // Not before the first one, so that one that catches up comes to an end where each turn has a commit.
      if (!isFirst && isBurstOver()) await this.#pause()
      isFirst = false
      if (this.#isStopped) return
      if (!receiver.flush(revision)) this.#receivers.add(receiver)
    }
  }

  /** Yields to other work; goes on when the results are of one moment. */
  async #pause (): Promise<void> {
    await nextTurn()
    while (this.#state.isBusy && !this.#isStopped) {
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }
}
