import { encodePush, type LiveBody } from '../protocol/live-messages.js'
import type { WholeResult } from './encoded-result.js'
import type { PushTarget } from './subscriber.js'
import type { QuerySubscription } from './query-subscription.js'

/** Characters of a complete result from which on it is not made into one frame. */
const BIG_CHARS = 262_144

/** Characters of the pushes of one round, from which on the rest has to wait for the next one. */
const MAX_CHARS = 1_048_576

/** A push to one subscription; `more`: another one of the same moment follows. */
interface Item {
  readonly subscription: QuerySubscription
  readonly push: (more: boolean) => void
}

/**
 * The pushes by which one connection is shown the results of one moment: those to subscriptions with deltas
 * are one group. A complete result that takes long to encode comes later, by itself.
 */
export class PushRound {
  /** Whether a result is of a later moment already, so that the round has to be made anew. */
  isLate = false
  readonly #target: PushTarget
  readonly #revision: number
  readonly #single: Item[] = []
  readonly #group: Item[] = []
  #chars = 0

  constructor (target: PushTarget, revision: number) {
    this.#target = target
    this.#revision = revision
  }

  /** Whether further subscriptions have to wait for the next round. */
  get isFull (): boolean {
    return this.#chars >= MAX_CHARS
  }

  /** Adds what a subscription has to be shown. Returns `false` where that has to wait for the next round. */
  add (subscription: QuerySubscription): boolean {
    if (!subscription.isDelta) return this.#addPlain(subscription)
    const { whole, position } = subscription
    // A revision never goes back.
    const isNewer = whole !== undefined && whole.revision >= (position?.revision ?? 0)
    if (isNewer) return this.#addEncoded(subscription, whole)
    subscription.whole = undefined
    return subscription.isCatchingUp(this.#revision)
      ? this.#addUpdate(subscription)
      : this.#addShared(subscription)
  }

  /** Sends the pushes. Returns the subscriptions that have got one. */
  send (): QuerySubscription[] {
    for (const { push } of this.#single) push(false)
    for (const [i, { push }] of this.#group.entries()) push(i < this.#group.length - 1)
    return [...this.#single, ...this.#group].map(({ subscription }) => subscription)
  }

  /** A client without deltas gets the complete result. */
  #addPlain (subscription: QuerySubscription): boolean {
    const { id, liveQuery, sentVersion } = subscription
    if (sentVersion === liveQuery.encoded.version) return true
    // One that was encoded for it is sent, also where the result has changed since: the next one follows.
    const whole = subscription.whole ?? liveQuery.encoded.whole()
    if (whole instanceof Promise) return this.#waitFor(whole, subscription)
    if (subscription.isShown(whole.version)) {
      subscription.sentVersion = whole.version
      return true
    }
    this.#chars += whole.json.text.length
    this.#single.push({
      subscription,
      push: () => {
        const { text } = whole.json
        liveQuery.countPush(text.length)
        // A big one leaves in parts, as fast as the client reads.
        if (text.length >= BIG_CHARS) this.#target.send(encodePush(id, text))
        else this.#target.sendFrame(liveQuery.encoded.frame(id, whole))
        subscription.sentVersion = whole.version
        subscription.whole = undefined
        if (whole.version === liveQuery.encoded.version) return
        subscription.position = { epoch: liveQuery.epoch, revision: whole.revision }
        subscription.onChange()
      }
    })
    return true
  }

  /** A client that has the result before gets the frame that all such clients get. */
  #addShared (subscription: QuerySubscription): boolean {
    this.#group.push({ subscription, push: more => { subscription.sendShared(this.#target, more) } })
    return true
  }

  /** A client that has an older result gets what has changed since, or the complete one. */
  #addUpdate (subscription: QuerySubscription): boolean {
    const { liveQuery, position } = subscription
    if (liveQuery.source.revision > this.#revision) {
      this.isLate = true
      return false
    }
    // A revision never goes back: the next result is at least of the one that the client has.
    if (position !== undefined && liveQuery.source.revision < position.revision) return true
    const update = liveQuery.updates.since(position)
    if (update === undefined) return true
    const { revision, delta } = update
    if (delta !== undefined && !subscription.isComplete) {
      return this.#addText(subscription, revision, { delta })
    }
    const whole = liveQuery.encoded.whole()
    if (!(whole instanceof Promise)) {
      return this.#addText(subscription, whole.revision, { data: whole.json.text })
    }
    return this.#waitFor(whole, subscription)
  }

  #addText (subscription: QuerySubscription, revision: number, body: LiveBody): boolean {
    const { id, liveQuery } = subscription
    const chars = 'data' in body ? body.data.length : body.delta.length
    this.#chars += chars
    // A query in code that takes long is shown by itself, as of an earlier moment.
    const items = revision === this.#revision ? this.#group : this.#single
    items.push({
      subscription,
      push: more => {
        liveQuery.countPush(chars)
        this.#target.send(liveQuery.updates.push(id, revision, body, more))
        subscription.position = { epoch: liveQuery.epoch, revision }
      }
    })
    return true
  }

  /** A big result that has been encoded for the client; the next round shows what has changed since. */
  #addEncoded (subscription: QuerySubscription, { json: { text }, revision }: WholeResult): boolean {
    const { id, liveQuery } = subscription
    this.#chars += text.length
    this.#single.push({
      subscription,
      push: () => {
        liveQuery.countPush(text.length)
        this.#target.send(liveQuery.updates.push(id, revision, { data: text }, false))
        subscription.position = { epoch: liveQuery.epoch, revision }
        subscription.whole = undefined
        subscription.onChange()
      }
    })
    return true
  }

  /** Shows a subscription its result when that has been encoded. */
  #waitFor (encoding: Promise<WholeResult>, subscription: QuerySubscription): boolean {
    const { liveQuery } = subscription
    subscription.encoding = encoding
    encoding.then(whole => {
      // One that has other rights now, or other parameters, gets the result of these.
      if (!subscription.isWatching || subscription.liveQuery !== liveQuery) return
      subscription.encoding = undefined
      subscription.whole = whole
      subscription.onChange()
    }, (error: unknown) => {
      if (subscription.encoding === encoding) subscription.encoding = undefined
      liveQuery.onFailure(error)
    })
    return true
  }
}
