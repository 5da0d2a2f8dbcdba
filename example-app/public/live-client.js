/* global WebSocket */

/**
 * Speaks to the server for the page: requests with replies, and live queries and events that survive a lost
 * connection.
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
 * `onState` is called with `connecting`, `open`, `leaving` (the server is about to stop), `waiting` (for the
 * next attempt, in `delayMs`) and `refused` (there will be none).
 */
export class LiveClient {
  #url
  #onState
  #firstDelayMs
  #maxDelayMs
  #silenceMs
  #socket
  #open = false
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

  /**
   * `silenceMs`: the server sends a ping every 30 seconds; when nothing at all has come for this long, the
   * connection is dead.
   */
  constructor (
    url,
    { onState = () => {}, firstDelayMs = 500, maxDelayMs = 10_000, silenceMs = 45_000 } = {}
  ) {
    this.#url = url
    this.#onState = onState
    this.#firstDelayMs = firstDelayMs
    this.#maxDelayMs = maxDelayMs
    this.#silenceMs = silenceMs
  }

  /** Connects, and from then on keeps the connection up. */
  connect () {
    clearTimeout(this.#retryTimer)
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#onState('connecting')
    this.#listenForSilence(socket)
    socket.onmessage = ({ data }) => {
      this.#listenForSilence(socket)
      this.#receive(JSON.parse(data))
    }
    socket.onclose = ({ code }) => { this.#lost(socket, code) }
  }

  /** Ends the connection for good. */
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

  /** Calls `onData` with the result of a query, now and after every change, over all connections to come. */
  watch (query, params, onData) {
    this.#keep({ type: 'store.subscribe', fields: { query, params }, onStart: onData, onData })
  }

  /**
   * Calls `onEvent` with each event whose topic the pattern matches. What happens while there is no
   * connection is not heard.
   */
  hear (pattern, onEvent) {
    this.#keep({
      type: 'rules.subscribe',
      fields: { pattern },
      onStart () {},
      onData: ({ event }) => { onEvent(event) }
    })
  }

  #keep (watch) {
    this.#watches.add(watch)
    if (this.#open) this.#subscribe(watch)
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
        this.#attempts = 0
        this.#onState('open')
        for (const watch of this.#watches) this.#subscribe(watch)
        break
      case 'ping':
        this.#socket.send(JSON.stringify({ type: 'pong', timestamp: message.timestamp }))
        break
      case 'push':
        this.#subscriptions.get(message.subscriptionId)?.onData(message.data)
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
        if (message.event !== 'shutdown') break
        this.#leaving = true
        // Not the same for all clients: so they do not come back in one wave.
        this.#returnAfterMs = message.reconnectAfterMs ?? 0
        this.#onState('leaving')
        this.#leaveWhenDone()
    }
  }

  #take (id) {
    const handlers = this.#requests.get(id)
    this.#requests.delete(id)
    return handlers
  }

  #subscribe (watch) {
    const { type, fields, onStart } = watch
    this.#send(type, fields, {
      // At once and not in a promise's turn: the first push may come right behind.
      resolve: ({ subscriptionId, data }) => {
        this.#subscriptions.set(subscriptionId, watch)
        onStart(data)
      },
      reject: error => { console.error(`${type} failed`, fields, error) }
    })
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
    const requests = [...this.#requests.values()]
    this.#requests.clear()
    for (const { reject } of requests) reject(new RequestError('DISCONNECTED', why))
  }
}
