/* global WebSocket */

/**
 * Speaks to the server for the page: requests with replies, and live queries and events that survive a lost
 * connection. Live queries come as what has changed, and after a pause as what was missed, where the server
 * can do that: PROTOCOL.md, "Deltas".
 */

/** Close codes after which coming back is of no use: the server does not want this client. */
const finalCodes = new Set([1003, 4002, 4003])

/**
 * A request that failed: `code` is the server's, or `DISCONNECTED` when it is unknown whether it was carried
 * out.
 */
export class RequestError extends Error {
  constructor (code, message, details) {
    super(message)
    this.code = code
    this.details = details
  }
}

/**
 * One connection that is made again whenever it is lost.
 * `onState` is called with `connecting`, `open` (all watches have the result of now), `leaving` (the server
 * is about to stop), `waiting` (for the next attempt, in `delayMs`) and `refused` (there will be none).
 * `onEnd` is called with a watch that is not live any more, and why.
 */
export class LiveClient {
  #url
  #onState
  #onEnd
  #firstDelayMs
  #maxDelayMs
  #silenceMs
  #socket
  #open = false
  /** The names of all that this server can do beyond the first protocol. */
  #extensions = new Set()
  #leaving = false
  #returnAfterMs = 0
  #attempts = 0
  #retryTimer
  #silenceTimer
  #lastId = 0
  /** Requests that wait for their reply, by id. */
  #requests = new Map()
  /** Live queries and patterns of events: each is subscribed again on every new connection. */
  #watches = new Set()
  /** The same, by the id that the present connection has given them. */
  #subscriptions = new Map()
  /** Pushes of one moment, until the last of them has come. */
  #group = []

  /**
   * `silenceMs`: the server sends pings, every 30 seconds unless its welcome says otherwise; when nothing at
   * all has come for this long, the connection is dead.
   */
  constructor (
    url,
    {
      onState = () => {}, onEnd = () => {}, firstDelayMs = 500, maxDelayMs = 10_000, silenceMs = 45_000
    } = {}
  ) {
    this.#url = url
    this.#onState = onState
    this.#onEnd = onEnd
    this.#firstDelayMs = firstDelayMs
    this.#maxDelayMs = maxDelayMs
    this.#silenceMs = silenceMs
  }

  /** Connects, anew where there is a connection, and from then on keeps the connection up. */
  connect () {
    this.close()
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#onState('connecting')
    this.#listenForSilence(socket)
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return
      this.#listenForSilence(socket)
      this.#receive(JSON.parse(data))
    }
    socket.onclose = ({ code }) => { this.#lost(socket, code) }
  }

  /** Ends the connection, until `connect`. */
  close () {
    clearTimeout(this.#retryTimer)
    const socket = this.#socket
    this.#abandon('the page has disconnected')
    socket?.close(1000)
  }

  /** Sends a request. Resolves with the data of the reply, rejects with a `RequestError`. */
  request (type, fields = {}) {
    return new Promise((resolve, reject) => { this.#send(type, fields, { resolve, reject }) })
  }

  /** Whether the server has an extension of the protocol: `find`, for instance. */
  has (extension) {
    return this.#extensions.has(extension)
  }

  /**
   * Watches `{ query, params }` or `{ find }` over all connections to come. Returns the watch, whose `data`
   * is the present result; `onData` is called after every change, when all watches have what changed with it.
   */
  watch (request, onData) {
    return this.#keep({ type: 'store.subscribe', request, data: undefined, onData })
  }

  /**
   * Calls `onEvent` with each event whose topic the pattern matches. What happens while there is no
   * connection is not heard.
   */
  hear (pattern, onEvent) {
    return this.#keep({ type: 'rules.subscribe', request: { pattern }, onEvent })
  }

  /** Ends a watch. */
  stop (watch) {
    this.#watches.delete(watch)
    this.#subscriptions.delete(watch.subscriptionId)
    this.#unsubscribe(watch)
  }

  #keep (watch) {
    this.#watches.add(watch)
    if (this.#open) this.#subscribe(watch)
    return watch
  }

  #send (type, fields, handlers) {
    if (!this.#open || this.#leaving) {
      handlers.reject(new RequestError('DISCONNECTED', 'there is no connection'))
      return
    }
    const id = ++this.#lastId
    this.#requests.set(id, handlers)
    this.#socket.send(JSON.stringify({ ...fields, id, type }))
  }

  #receive (message) {
    switch (message.type) {
      case 'welcome':
        this.#open = true
        this.#extensions = new Set(message.extensions)
        if (message.heartbeatMs !== undefined) this.#silenceMs = message.heartbeatMs * 1.5
        this.#attempts = 0
        this.#start()
        break
      case 'ping':
        this.#socket.send(JSON.stringify({ type: 'pong', timestamp: message.timestamp }))
        break
      case 'push':
        this.#group.push(message)
        if (message.more !== true) this.#show(this.#group.splice(0))
        break
      case 'result':
        this.#take(message.id)?.resolve(message.data)
        this.#leaveWhenDone()
        break
      case 'error':
        this.#take(message.id)?.reject(new RequestError(message.code, message.message, message.details))
        this.#leaveWhenDone()
        break
      case 'system':
        if (message.event === 'subscription_closed') this.#ended(message)
        if (message.event !== 'shutdown') break
        this.#leaving = true
        // Not the same for all clients: so they do not come back in one wave.
        this.#returnAfterMs = message.reconnectAfterMs ?? 0
        this.#onState('leaving')
        this.#leaveWhenDone()
    }
  }

  /** Takes in the pushes of one moment, all of them before the first is shown. */
  #show (pushes) {
    const changed = new Set()
    for (const push of pushes) {
      const watch = this.#subscriptions.get(push.subscriptionId)
      if (watch === undefined) continue
      if (push.channel === 'event') {
        watch.onEvent(push.data.event)
      } else {
        bring(watch, push)
        changed.add(watch)
      }
    }
    for (const watch of changed) watch.onData(watch.data)
  }

  #ended ({ subscriptionId, reason }) {
    const watch = this.#subscriptions.get(subscriptionId)
    if (watch === undefined) return
    this.#subscriptions.delete(subscriptionId)
    this.#onEnd(watch, reason)
  }

  #take (id) {
    const handlers = this.#requests.get(id)
    this.#requests.delete(id)
    return handlers
  }

  /** Subscribes all watches: only when each of them has its result, what the page shows is of now. */
  async #start () {
    const socket = this.#socket
    const started = await Promise.all(Array.from(this.#watches, watch => this.#subscribe(watch)))
    if (socket === this.#socket && !this.#leaving && started.every(Boolean)) this.#onState('open')
  }

  /** Resolves with whether the server has taken the subscription, or need not any more. */
  #subscribe (watch) {
    const { type, request, position } = watch
    const isDelta = type === 'store.subscribe' && this.has('delta')
    return new Promise(resolve => {
      this.#send(type, isDelta ? { ...request, delta: true, since: position } : request, {
        // At once and not in a promise's turn: the first push may come right behind.
        resolve: reply => {
          this.#begin(watch, reply)
          resolve(true)
        },
        reject: ({ code }) => {
          if (code !== 'DISCONNECTED' && this.#watches.has(watch)) this.#onEnd(watch, code)
          resolve(!this.#watches.has(watch))
        }
      })
    })
  }

  #begin (watch, reply) {
    watch.subscriptionId = reply.subscriptionId
    if (!this.#watches.has(watch)) {
      this.#unsubscribe(watch)
      return
    }
    this.#subscriptions.set(reply.subscriptionId, watch)
    if (watch.type !== 'store.subscribe') return
    bring(watch, reply)
    watch.onData(watch.data)
  }

  #unsubscribe ({ type, subscriptionId }) {
    if (subscriptionId === undefined) return
    const none = () => {}
    this.#send(type.replace('.', '.un'), { subscriptionId }, { resolve: none, reject: none })
  }

  /** The server waits for its clients before it stops: leave as soon as every request is answered. */
  #leaveWhenDone () {
    if (this.#leaving && this.#requests.size === 0) this.#socket.close(1000)
  }

  /** A connection can be gone without a close event: the lid was shut, the network has changed. */
  #listenForSilence (socket) {
    clearTimeout(this.#silenceTimer)
    this.#silenceTimer = setTimeout(() => {
      socket.close()
      this.#lost(socket, 1006)
    }, this.#silenceMs)
  }

  #lost (socket, code) {
    if (socket !== this.#socket) return
    this.#abandon('the connection was lost')
    if (finalCodes.has(code)) {
      this.#onState('refused')
      return
    }
    // Twice as long each time, and no two clients in step.
    const backOffMs =
      Math.min(this.#firstDelayMs * 2 ** this.#attempts++, this.#maxDelayMs) * (0.5 + Math.random() / 2)
    const delayMs = this.#returnAfterMs + backOffMs
    this.#returnAfterMs = 0
    this.#retryTimer = setTimeout(() => { this.connect() }, delayMs)
    this.#onState('waiting', { delayMs })
  }

  #abandon (why) {
    clearTimeout(this.#silenceTimer)
    this.#socket = undefined
    this.#open = false
    this.#leaving = false
    this.#subscriptions.clear()
    this.#group = []
    for (const watch of this.#watches) watch.subscriptionId = undefined
    const requests = [...this.#requests.values()]
    this.#requests.clear()
    for (const { reject } of requests) reject(new RequestError('DISCONNECTED', why))
  }
}

/** Brings a watch to the state of a reply or a push: a complete result, or what has changed in a list. */
function bring (watch, { data, delta, key = watch.key, epoch = watch.position?.epoch, revision }) {
  watch.data = delta === undefined ? data : applied(watch.data, key, delta)
  watch.key = key
  // Without deltas there is no place to go on from.
  watch.position = revision === undefined ? undefined : { epoch, revision }
}

/** Returns the list that a delta makes of another one. Rows that have not changed are the same objects. */
function applied (rows, key, { remove, upsert, at = [] }) {
  const byKey = new Map(rows.map(row => [row[key], row]))
  for (const gone of remove) byKey.delete(gone)
  for (const row of upsert) byKey.set(row[key], row)
  const moved = new Set(at.map(([own]) => own))
  const list = [...byKey.values()].filter(row => !moved.has(row[key]))
  for (const [own, index] of at) list.splice(index, 0, byKey.get(own))
  return list
}
