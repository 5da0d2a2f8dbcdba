import { DisconnectedError, NoexClientError } from '../../lib/client/errors.js'
import type { Link, LinkListener, ServerMessage } from '../../lib/client/link.js'

/** A request that was sent over a fake link. */
export interface FakeRequest {
  readonly type: string
  readonly members: Readonly<Record<string, any>>
  /** Answers with data, as a server does. */
  readonly reply: (data: unknown) => void
  readonly refuse: (code: string, message?: string, details?: unknown) => void
}

/** A connection whose server is the test. */
export class FakeLink implements Link {
  isReady = false
  user: unknown
  readonly extensions = new Set(['delta', 'find', 'page', 'revision'])
  /** Requests that have not been answered, in their order. */
  readonly open: FakeRequest[] = []
  listener: LinkListener | undefined
  /** Number of times that the link was asked to connect. */
  wakes = 0

  has (extension: string): boolean {
    return this.extensions.has(extension)
  }

  wake (): void {
    this.wakes++
  }

  ask (
    type: string, members: object, onReply: (data: any) => void, onError: (error: NoexClientError) => void
  ): void {
    if (!this.isReady) throw new Error('a request without a connection')
    const answer = (give: () => void): void => {
      const index = this.open.indexOf(request)
      if (index === -1) throw new Error('an answer to a request that is answered')
      this.open.splice(index, 1)
      give()
    }
    const request: FakeRequest = {
      type,
      // As they go over the wire.
      members: JSON.parse(JSON.stringify(members)),
      reply: data => { answer(() => { onReply(data) }) },
      refuse: (code, message = code, details) => {
        answer(() => {
          onError(code === 'DISCONNECTED'
            ? new DisconnectedError(message, 'unknown')
            : new NoexClientError(code, message, details))
        })
      }
    }
    this.open.push(request)
  }

  /** Takes the next request, which must be of a type. */
  next (type: string): FakeRequest {
    const [request] = this.open
    if (request?.type !== type) throw new Error(`expected ${type}, found ${JSON.stringify(request)}`)
    return request
  }

  /** Returns what the listener's `onReady` returns. */
  async connect (): Promise<unknown> {
    this.isReady = true
    return await this.listener?.onReady()
  }

  /** Ends the connection: what is open fails. */
  lose (): void {
    this.isReady = false
    for (const { refuse } of [...this.open]) refuse('DISCONNECTED')
    this.listener?.onLost()
  }

  push (subscriptionId: string, members: object): void {
    this.listener?.onPush({ type: 'push', channel: 'subscription', subscriptionId, ...members })
  }

  system (event: string, members: object): void {
    const message: ServerMessage = { type: 'system', event, ...members }
    this.listener?.onSystem(message)
  }
}
