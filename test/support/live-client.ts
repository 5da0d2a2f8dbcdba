import { applyDelta, keysOf, requireOnWire, type Row } from './live-list.js'

/** A frame of the server. */
export type LiveFrame = Readonly<Record<string, any>>

/** The members of `store.subscribe` that say what is watched. */
export interface LiveRequest {
  readonly query?: string
  readonly params?: unknown
  readonly find?: Readonly<Record<string, unknown>>
  readonly page?: { readonly limit: number, readonly after?: string }
  readonly minIntervalMs?: number
}

/** A query that a client watches, with what it shows; it outlives connections. */
export class LiveView {
  readonly request: LiveRequest
  /** Whether it asks for deltas; without, it is of the former protocol. */
  readonly isDelta: boolean
  state: 'waiting' | 'live' | 'leaving' | 'ended' = 'ended'
  subscriptionId: string | undefined
  /** The key field; `null` where the result has no keyed rows; `undefined` without deltas. */
  key: string | null | undefined
  epoch: string | undefined
  revision: number | undefined
  /** The result that it shows. */
  data: unknown
  hasMore: boolean | undefined
  nextCursor: string | null | undefined
  /** Whether it has ever shown something since it was last forgotten. */
  hasData = false

  constructor (request: LiveRequest, isDelta: boolean) {
    this.request = request
    this.isDelta = isDelta
  }

  /** Forgets what it shows, so that the next subscription asks for the whole result. */
  forget (): void {
    this.hasData = false
    this.epoch = this.revision = this.key = this.data = undefined
  }

  get subscribeFields (): object {
    if (!this.isDelta) return this.request
    const canResume = this.hasData && this.key !== null
    const since = canResume ? { since: { epoch: this.epoch, revision: this.revision } } : {}
    return { ...this.request, delta: true, ...since }
  }
}

/** Hears what a client shows. */
export interface LiveListener {
  /** Called after each step that changes what is shown, with the views that have changed by it. */
  readonly onShown: (views: readonly LiveView[], cause: LiveFrame) => void
  /** Called when the server has ended a subscription. */
  readonly onEnded: (view: LiveView, reason: string) => void
  /** Called when the server says that all views show a state of at least this revision. */
  readonly onRevision?: (revision: number) => void
}

interface PendingRequest {
  readonly id: number
  readonly view: LiveView | undefined
  /** Whether the reply has a revision. */
  readonly hasRevision: boolean
  /** Called at once with a reply that is no error: the next message may be of the changed state. */
  readonly onResult: () => void
  readonly resolve: (reply: LiveFrame) => void
}

/** Counts of what a connection was sent. */
export interface LiveCounts {
  deltas: number
  wholes: number
  groups: number
  resumedByDelta: number
  resumedWhole: number
}

/**
 * The client's side of one connection, over any transport: `send` takes the text of a message, and `receive`
 * gets each text of the server. It throws for each message that the protocol does not allow.
 */
export class LiveConnection {
  readonly counts: LiveCounts
  /** Members of the welcome. */
  extensions: readonly string[] = []
  readonly #send: (text: string) => void
  readonly #listener: LiveListener
  readonly #views = new Map<string, LiveView>()
  readonly #pending: PendingRequest[] = []
  /** Revisions of replies that no notice has come for yet. */
  #unshown: number[] = []
  #group: LiveFrame[] = []
  #lastId = 0
  #isWelcome = false
  #welcomed: (() => void) | undefined

  constructor (send: (text: string) => void, listener: LiveListener, counts = noCounts()) {
    this.#send = send
    this.#listener = listener
    this.counts = counts
  }

  /** Resolves when the server has sent its welcome. */
  async welcomed (): Promise<void> {
    if (!this.#isWelcome) await new Promise<void>(resolve => { this.#welcomed = resolve })
  }

  /** The views that are subscribed. */
  get views (): LiveView[] {
    return [...this.#views.values()]
  }

  /** Number of requests without a reply. */
  get waiting (): number {
    return this.#pending.length
  }

  /** Whether a notice is yet to come for the revision of a reply. */
  get isAwaitingNotice (): boolean {
    return this.#unshown.length > 0
  }

  /** Resolves with the reply, result or error; never, when the connection ends before. */
  async request (
    type: string, fields: object = {}, view?: LiveView, onResult: () => void = () => {}
  ): Promise<LiveFrame> {
    const id = ++this.#lastId
    const hasRevision = (fields as LiveFrame)['revision'] === true
    const reply = new Promise<LiveFrame>(resolve => {
      this.#pending.push({ id, view, hasRevision, onResult, resolve })
    })
    this.#send(JSON.stringify({ ...fields, id, type }))
    return await reply
  }

  /** Subscribes a view, where it has shown something from there. Resolves with the reply. */
  async subscribe (view: LiveView): Promise<LiveFrame> {
    view.state = 'waiting'
    return await this.request('store.subscribe', view.subscribeFields, view)
  }

  async unsubscribe (view: LiveView): Promise<LiveFrame> {
    const { subscriptionId } = view
    view.state = 'leaving'
    const reply = await this.request('store.unsubscribe', { subscriptionId }, undefined, () => {
      if (this.#views.get(subscriptionId as string) === view) this.#views.delete(subscriptionId as string)
      view.state = 'ended'
    })
    // Without a login it is not taken.
    if (reply['type'] === 'error' && view.state === 'leaving') view.state = 'live'
    return reply
  }

  receive (text: string): void {
    const frame = JSON.parse(text) as LiveFrame
    requireOnWire(this.#isWelcome || frame['type'] === 'welcome', 'the welcome comes first', frame)
    if (this.#group.length > 0) {
      requireOnWire(frame['type'] === 'push', 'after a push with "more" comes another push', frame)
    }
    switch (frame['type']) {
      case 'welcome':
        requireOnWire(!this.#isWelcome, 'one welcome', frame)
        this.#isWelcome = true
        this.extensions = frame['extensions'] ?? []
        this.#welcomed?.()
        break
      case 'ping':
        this.#send(JSON.stringify({ type: 'pong', timestamp: frame['timestamp'] }))
        break
      case 'result':
      case 'error':
        this.#onReply(frame)
        break
      case 'push':
        this.#onPush(frame)
        break
      case 'system':
        this.#onSystem(frame)
        break
      default:
        requireOnWire(false, 'an unknown message', frame)
    }
  }

  #onReply (frame: LiveFrame): void {
    if (frame['id'] === 0) requireOnWire(false, 'the server did not take a frame for a request', frame)
    const pending = this.#pending.shift()
    const isInOrder = pending !== undefined && pending.id === frame['id']
    requireOnWire(isInOrder, 'replies come in the order of their requests', frame)
    if (pending.view !== undefined) this.#onSubscribed(pending.view, frame)
    if (frame['type'] === 'result') pending.onResult()
    if (pending.hasRevision && frame['type'] === 'result') this.#await(frame)
    else requireOnWire(!Object.hasOwn(frame, 'revision'), 'a revision that was not asked for', frame)
    pending.resolve(frame)
  }

  #await (frame: LiveFrame): void {
    const { revision } = frame
    requireOnWire(Number.isSafeInteger(revision), 'a reply has the revision that it was asked for', frame)
    requireOnWire(revision >= (this.#unshown.at(-1) ?? 0), 'a revision of a reply goes back', frame)
    this.#unshown.push(revision)
  }

  #onRevision (frame: LiveFrame): void {
    const { revision } = frame
    const [first] = this.#unshown
    requireOnWire(Number.isSafeInteger(revision), 'a notice has a revision', frame)
    requireOnWire(first !== undefined && first <= revision, 'a notice that no reply waits for', frame)
    this.#unshown = this.#unshown.filter(waiting => waiting > revision)
    this.#listener.onRevision?.(revision)
  }

  #onSubscribed (view: LiveView, frame: LiveFrame): void {
    if (frame['type'] === 'error') {
      view.state = 'ended'
      return
    }
    const { subscriptionId, ...reply } = frame['data'] as LiveFrame
    requireOnWire(typeof subscriptionId === 'string', 'a subscription has an id', frame)
    requireOnWire(!this.#views.has(subscriptionId), 'a subscription id is unique on its connection', frame)
    view.subscriptionId = subscriptionId
    view.state = 'live'
    this.#views.set(subscriptionId, view)
    if (view.isDelta) this.#showReply(view, reply, frame)
    else view.data = requireData(reply, frame)
    view.hasData = true
    this.#listener.onShown([view], frame)
  }

  #showReply (view: LiveView, reply: LiveFrame, frame: LiveFrame): void {
    const { epoch, revision, key, bucket, delta } = reply
    requireOnWire(typeof epoch === 'string' && epoch !== '', 'a reply has an epoch', frame)
    requireOnWire(Number.isSafeInteger(revision) && revision >= 0, 'a reply has a revision', frame)
    requireOnWire(key === null || typeof key === 'string', 'a reply has a key field or null', frame)
    const { bucket: own = bucket } = view.request.find ?? {}
    requireOnWire(bucket === null || typeof bucket === 'string', 'a reply has a bucket or null', frame)
    requireOnWire(bucket === (key === null ? null : own), 'the bucket is that of the key', frame)
    this.#showEnds(view, reply, frame)
    if (delta !== undefined) {
      requireOnWire(!Object.hasOwn(reply, 'data'), 'a reply has data or a delta', frame)
      requireOnWire(view.hasData, 'a delta without "since"', frame)
      requireOnWire(epoch === view.epoch, 'a delta of another epoch', frame)
      requireOnWire(key !== null && key === view.key, 'a delta of another key', frame)
      requireOnWire(revision >= (view.revision as number), 'a revision goes back', frame)
      view.data = applyDelta(view.data as readonly Row[], key, delta)
      this.counts.resumedByDelta++
    } else {
      view.data = requireData(reply, frame)
      if (key !== null) keysOf(view.data, key)
      if (view.hasData) this.counts.resumedWhole++
    }
    Object.assign(view, { epoch, revision, key })
  }

  #showEnds (view: LiveView, { hasMore, nextCursor }: LiveFrame, frame: LiveFrame): void {
    if (view.request.page === undefined) return
    requireOnWire(typeof hasMore === 'boolean', 'a page says whether there is more', frame)
    requireOnWire(nextCursor === null || typeof nextCursor === 'string', 'a page has a cursor', frame)
    view.hasMore = hasMore
    view.nextCursor = nextCursor
  }

  #onPush (frame: LiveFrame): void {
    if (frame['channel'] === 'event') return
    requireOnWire(frame['channel'] === 'subscription', 'a push has a channel', frame)
    const view = this.#views.get(frame['subscriptionId'])
    requireOnWire(view !== undefined, 'a push of an unknown subscription, or before its reply', frame)
    requireOnWire(frame['more'] === undefined || frame['more'] === true, '"more" is true or absent', frame)
    if (view.isDelta) {
      const { revision } = frame
      requireOnWire(Number.isSafeInteger(revision), 'a push has a revision', frame)
      requireOnWire(revision >= (view.revision as number), 'a revision goes back', frame)
      const [first] = this.#group.filter(({ revision }) => revision !== undefined)
      requireOnWire(first === undefined || first['revision'] === revision, 'a group has one revision', frame)
    } else {
      const extra = ['revision', 'delta'].filter(name => Object.hasOwn(frame, name))
      requireOnWire(extra.length === 0, 'a push of the former protocol has no more members', frame)
    }
    this.#group.push(frame)
    if (frame['more'] === true) return
    const group = this.#group
    this.#group = []
    if (group.length > 1) this.counts.groups++
    this.#show(group)
  }

  /** Applies the pushes of one commit in one step. */
  #show (group: readonly LiveFrame[]): void {
    const changed = new Set<LiveView>()
    for (const frame of group) {
      const view = this.#views.get(frame['subscriptionId']) as LiveView
      changed.add(view)
      if (Object.hasOwn(frame, 'delta')) {
        requireOnWire(!Object.hasOwn(frame, 'data'), 'a push has data or a delta', frame)
        requireOnWire(typeof view.key === 'string', 'a delta of a list without a key', frame)
        view.data = applyDelta(view.data as readonly Row[], view.key, frame['delta'])
        this.counts.deltas++
      } else {
        view.data = requireData(frame, frame)
        if (frame['key'] !== undefined) view.key = frame['key']
        if (typeof view.key === 'string') keysOf(view.data, view.key)
        this.counts.wholes++
      }
      view.revision = frame['revision']
      if (view.isDelta) this.#showEnds(view, frame, frame)
      if (frame['epoch'] !== undefined) view.epoch = frame['epoch']
    }
    this.#listener.onShown([...changed], group.at(-1) as LiveFrame)
  }

  #onSystem (frame: LiveFrame): void {
    if (frame['event'] === 'revision') this.#onRevision(frame)
    if (frame['event'] !== 'subscription_closed') return
    const view = this.#views.get(frame['subscriptionId'])
    requireOnWire(view !== undefined, 'an unknown subscription has ended', frame)
    this.#views.delete(frame['subscriptionId'])
    if (view.state !== 'leaving') view.state = 'ended'
    this.#listener.onEnded(view, frame['reason'])
  }
}

function requireData (members: LiveFrame, frame: LiveFrame): unknown {
  requireOnWire(Object.hasOwn(members, 'data'), 'there is neither data nor a delta', frame)
  return members['data']
}

/** Returns counts that are all 0. */
export function noCounts (): LiveCounts {
  return { deltas: 0, wholes: 0, groups: 0, resumedByDelta: 0, resumedWhole: 0 }
}
