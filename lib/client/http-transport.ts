import { environment as realEnvironment, type Environment } from './environment.js'
import { messageOf, none, shownUrl } from './report.js'
import { IMPOSSIBLE, LOST, type OpenTransport } from './transport.js'

/** The part of `fetch` that the client uses. */
export type Fetch = (url: string, options: object) => Promise<FetchResponse>

/** The part of a response that the client uses. */
interface FetchResponse {
  readonly status: number
  readonly headers: { readonly get: (name: string) => string | null }
  /** Absent where the class of `fetch` cannot stream. */
  readonly body?: { readonly getReader: () => Reader, readonly cancel?: () => Promise<void> } | null
  readonly json: () => Promise<any>
}

/** The surroundings of the transport: time, and where there is no global one, a `fetch`. */
export interface HttpEnvironment extends Pick<Environment, 'after'> {
  readonly fetch?: Fetch | undefined
}

/** The URLs of a server: of its routes, and of its WebSocket, but of HTTP, where that is to be looked at. */
interface HttpUrls {
  readonly rpc: string
  readonly events: string
  readonly socket?: string
}

interface Reader {
  readonly read: () => Promise<{ readonly done: boolean, readonly value?: any }>
}

const eventType = 'text/event-stream'

/** Length limit of messages that go together, in characters: a server takes so many also before a login. */
const BATCH_CHARS = 8_192

/** Time that a stream has to tell why its messages are not taken any more, in milliseconds. */
const CLOSE_MS = 1_000

/**
 * Returns the transport over plain HTTP: messages come as events of one response, and go by POST, those that
 * wait together. PROTOCOL.md, "Streams".
 */
export function httpTransport (
  { rpc, events, socket }: HttpUrls, connectTimeoutMs: number,
  { after, fetch = globalThis.fetch as Fetch }: HttpEnvironment = realEnvironment
): OpenTransport {
  return ({ onMessage, onClose }) => {
    const waiting: string[] = []
    const controller = new AbortController()
    const { signal } = controller
    let stream: string | undefined
    let isSending = false
    let cancel = none

    const stop = (): void => {
      cancel()
      controller.abort()
    }

    const end = (code: number, reason: string, problem?: string): void => {
      if (signal.aborted) return
      stop()
      onClose(code, reason, problem)
    }

    /** Ends the transport because of what the URL of its events does. */
    const lose = (problem: string, code = LOST): void => { end(code, '', `${shownUrl(events)} ${problem}`) }

    /** Ends the transport after a time, because of a POST. */
    const loseAfter = (delayMs: number, answer: unknown): void => {
      cancel = after(delayMs, () => { lose(`is lost: a POST has got ${answer}`) })
    }

    const fail = (error: unknown): void => { lose(messageOf(error)) }

    const handle = (name: string, data: string): void => {
      if (signal.aborted) return
      if (name === '') return onMessage(data)
      const event = JSON.parse(data)
      if (name === 'close') {
        end(event.code || LOST, String(event.reason))
      } else if (name === 'stream') {
        stream = String(event.stream)
        cancel()
        send()
      }
    }

    /** Whether there is nothing at the URL of the WebSocket: then this is the wrong URL. */
    const isMissing = async (): Promise<boolean> => {
      if (socket === undefined) return false
      // A page may not get the answer of another origin.
      const answer = await fetch(socket, { cache: 'no-store', signal }).catch(none)
      answer?.body?.cancel?.().catch(none)
      return answer?.status === 404
    }

    const receive = async (): Promise<void> => {
      if (await isMissing()) {
        return end(LOST, '', `${shownUrl(socket as string)} answers 404: no WebSocket is at this ` +
          'path, which must be the option `path` of the server, "/" unless that is set, behind `prefix`')
      }
      const response = await fetch(events, { headers: { accept: eventType }, cache: 'no-store', signal })
      const { status, headers, body } = response
      const type = headers.get('content-type')
      if (status === 200 && type?.startsWith(eventType)) {
        if (!body?.getReader) return lose('cannot be read: this fetch does not stream', IMPOSSIBLE)
        await readEvents(body.getReader(), handle)
        end(LOST, '')
      } else if (status === 404 || status === 405) {
        lose("is not there: the server needs routes: { rpc: '/rpc', events: '/events' }")
      } else {
        const answer = await response.json().then(json => json?.message, none) ?? type ?? 'without a text'
        lose(`answers ${status} ${answer}${status === 200 ? ': a proxy, or another server' : ''}`)
      }
    }

    /** Sends the messages that wait, one POST after the other. */
    const sendAll = async (): Promise<void> => {
      if (isSending || stream === undefined) return
      isSending = true
      // For what is sent in this turn.
      await undefined
      while (waiting.length > 0 && !signal.aborted) {
        let chars = 0
        let count = 0
        do chars += (waiting[count++] as string).length
        while (count < waiting.length && chars + (waiting[count] as string).length < BATCH_CHARS)
        const batch = waiting.splice(0, count)
        loseAfter(connectTimeoutMs, 'no answer')
        const { status } = await fetch(rpc, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'noex-stream': stream },
          body: count > 1 ? `[${batch}]` : batch[0],
          signal
        })
        cancel()
        // Unless the stream ends meanwhile, and says why.
        if (status !== 202) return loseAfter(CLOSE_MS, status)
      }
      isSending = false
    }

    const send = (): void => { sendAll().catch(fail) }

    cancel = after(connectTimeoutMs, () => {
      lose(`sends nothing within ${connectTimeoutMs} ms: a proxy that buffers holds it back, or ` +
        'a fetch that does not stream (in React Native take that of expo/fetch)')
    })
    receive().catch(fail)
    return {
      kind: 'http',
      send: text => {
        waiting.push(text)
        send()
      },
      close: stop
    }
  }
}

/** Reads a stream of events to its end. The name that `onEvent` gets is empty where an event has none. */
async function readEvents (reader: Reader, onEvent: (name: string, data: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  let isAfterReturn = false
  let line = ''
  let name = ''
  let data: string[] = []

  const takeLine = (): void => {
    const [field = ''] = line.split(':', 1)
    const value = line.slice(field.length + 1).replace(/^ /, '')
    if (field === 'data') data.push(value)
    if (field === 'event') name = value
    if (line === '') {
      if (data.length > 0) onEvent(name, data.join('\n'))
      name = ''
      data = []
    }
  }

  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    let text = decoder.decode(value, { stream: true })
    // The second half of a line end.
    if (isAfterReturn && text.startsWith('\n')) text = text.slice(1)
    else if (text === '') continue
    isAfterReturn = text.endsWith('\r')
    const [first = '', ...others] = text.split(/\r\n|\r|\n/)
    line += first
    for (const next of others) {
      takeLine()
      line = next
    }
  }
}

/** Returns the URLs of the routes that stand beside a WebSocket: in the place of the end of its path. */
export function urlsBeside (url: string): Required<HttpUrls> {
  const socket = url.replace(/^ws/, 'http')
  const folder = socket.replace(/[^/]*(\?.*)?$/, '')
  return { rpc: `${folder}rpc`, events: `${folder}events`, socket }
}
