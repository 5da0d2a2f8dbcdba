import { once } from 'node:events'
import { request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { Test } from 'tap'
import type { Frame } from './client.js'

/** Time after which an event that a test waits for counts as missing. */
const PATIENCE_MS = 20_000

/** An event as it was received: its fields, and the comments before it. */
export interface ReceivedEvent {
  readonly event: string
  readonly data: any
  readonly id: string | undefined
  readonly retry: number | undefined
}

/** The answer to a request. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A response with events, which keeps all of them until the test looks at them. */
export class Events {
  readonly response: IncomingMessage
  /** Resolves when the response has ended: whether that was as HTTP says. */
  readonly ended: Promise<boolean>
  readonly #events: ReceivedEvent[] = []
  /** Everything that was received. */
  text = ''
  #taken = 0
  #isOver = false
  #arrived: Array<() => void> = []

  private constructor (response: IncomingMessage) {
    this.response = response
    this.ended = new Promise(resolve => {
      response.on('close', () => {
        this.#isOver = true
        this.#wake()
        resolve(response.complete)
      })
    })
    response.on('error', () => {})
    response.setEncoding('utf8')
    response.on('data', chunk => {
      this.text += String(chunk)
      this.#parse()
      this.#wake()
    })
  }

  /** Opens a response with events; it ends with the test. */
  static async open (
    t: Test, port: number, path = '/events', headers: OutgoingHttpHeaders = {}
  ): Promise<Events> {
    const response = await get(t, port, path, headers)
    if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
    return new Events(response)
  }

  get status (): number {
    return this.response.statusCode ?? 0
  }

  /** Leaves without a word, as a browser does whose page is closed. */
  leave (): void {
    this.response.destroy()
  }

  #parse (): void {
    for (let end = this.text.indexOf('\n\n', this.#taken); end !== -1;) {
      const block = this.text.slice(this.#taken, end)
      this.#taken = end + 2
      end = this.text.indexOf('\n\n', this.#taken)
      const fields = new Map(block.split('\n').map(line => [
        line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).replace(/^ /, '')
      ]))
      const [data, retry] = [fields.get('data'), fields.get('retry')]
      this.#events.push({
        event: fields.get('event') ?? (data === undefined ? 'none' : 'message'),
        data: data === undefined ? undefined : JSON.parse(data),
        id: fields.get('id'),
        retry: retry === undefined ? undefined : Number(retry)
      })
    }
  }

  #wake (): void {
    for (const wake of this.#arrived.splice(0)) wake()
  }

  /** Takes the first event that matches off the queue, waiting for it. */
  async next (matches: (event: ReceivedEvent) => boolean = () => true): Promise<ReceivedEvent> {
    const patience = AbortSignal.timeout(PATIENCE_MS)
    patience.addEventListener('abort', () => { this.#wake() })
    for (;;) {
      const index = this.#events.findIndex(matches)
      if (index !== -1) return this.#events.splice(index, 1)[0] as ReceivedEvent
      if (this.#isOver || patience.aborted) {
        throw new Error(`no such event; left: ${JSON.stringify(this.#events.slice(0, 20))}`)
      }
      await new Promise<void>(resolve => { this.#arrived.push(resolve) })
    }
  }

  /** Takes the next event with this name. */
  async named (name: string): Promise<ReceivedEvent> {
    return await this.next(({ event }) => event === name)
  }
}

/** Sends a GET, and resolves with the response; it ends with the test. */
async function get (
  t: Test, port: number, path: string, headers: OutgoingHttpHeaders
): Promise<IncomingMessage> {
  const sent = request({ port, host: '127.0.0.1', path, headers, agent: false })
  sent.on('error', () => {})
  t.teardown(() => { sent.destroy() })
  sent.end()
  const [response] = await once(sent, 'response') as [IncomingMessage]
  return response
}

/** Resolves with the status of a request whose answer may have no end, and leaves. */
export async function statusOf (
  t: Test, port: number, headers: OutgoingHttpHeaders, path = '/events'
): Promise<number> {
  const response = await get(t, port, path, headers)
  response.on('error', () => {})
  response.destroy()
  return response.statusCode ?? 0
}

/** Sends a request and resolves with its whole answer. */
export async function ask (
  port: number, path: string,
  { method = 'GET', headers = {}, body }: {
    readonly method?: string, readonly headers?: OutgoingHttpHeaders, readonly body?: string | Buffer
  } = {}
): Promise<Answer> {
  const sent = request({ port, host: '127.0.0.1', path, method, headers, agent: false })
  sent.end(body)
  const [response] = await once(sent, 'response') as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body: text }
}

/** A stream of messages, with the POSTs that belong to it. */
export class EventClient {
  readonly events: Events
  readonly id: string
  readonly #port: number
  readonly #headers: OutgoingHttpHeaders
  #lastId = 0

  private constructor (events: Events, id: string, port: number, headers: OutgoingHttpHeaders) {
    this.events = events
    this.id = id
    this.#port = port
    this.#headers = headers
  }

  /** Opens a stream, and takes its first event off the queue. */
  static async raw (t: Test, port: number, headers: OutgoingHttpHeaders = {}): Promise<EventClient> {
    const events = await Events.open(t, port, '/events', headers)
    const { data } = await events.named('stream')
    return new EventClient(events, data.stream as string, port, headers)
  }

  /** Opens a stream, and takes its welcome off the queue as well. */
  static async open (t: Test, port: number, headers: OutgoingHttpHeaders = {}): Promise<EventClient> {
    const client = await EventClient.raw(t, port, headers)
    await client.next(({ type }) => type === 'welcome')
    return client
  }

  /** Sends a POST; an object is sent as JSON. */
  async post (body: string | Buffer | object, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return await ask(this.#port, '/rpc', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'noex-stream': this.id, ...this.#headers, ...headers },
      body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    })
  }

  /** Takes the first message that matches off the queue, waiting for it. */
  async next (matches: (message: Frame) => boolean = () => true): Promise<Frame> {
    return (await this.events.next(({ event, data }) => event === 'message' && matches(data as Frame))).data
  }

  async request (type: string, fields: object = {}): Promise<Frame> {
    const id = ++this.#lastId
    const { status, body } = await this.post({ ...fields, id, type })
    if (status !== 202) throw new Error(`${status} ${body}`)
    return await this.next(message => message['id'] === id)
  }

  async ask (type: string, fields: object = {}): Promise<any> {
    const reply = await this.request(type, fields)
    if (reply['type'] !== 'result') throw new Error(`${type}: ${JSON.stringify(reply)}`)
    return reply['data']
  }

  /** Resolves with the code and reason of the close. */
  async closed (): Promise<{ readonly code: number, readonly reason: string }> {
    return (await this.events.named('close')).data
  }
}

/** The routes that streams need. */
export const streamRoutes = { rpc: '/rpc', events: '/events' } as const
