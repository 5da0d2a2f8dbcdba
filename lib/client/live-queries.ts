import type { Link, LinkListener, ServerMessage } from './link.js'
import type {
  Find, LiveQuery, OptimisticTransaction, Preloaded, QueryOptions, RequestOptions
} from './types.js'

/**
 * Sends a request, over reconnects where its options say so. Resolves with the data of the reply, rejects
 * with a `NoexClientError`. `onReply` is called with the whole message of the result, in the turn in which it
 * has come, before the next message is handled.
 */
export type SendRequest = (
  type: string,
  members: object,
  options: RequestOptions | undefined,
  onReply: (reply: ServerMessage) => void
) => Promise<any>

/** The options of `LiveQueries`. */
export interface LiveQueriesOptions {
  /** Time for which a live query goes on after its last subscriber has left, in milliseconds. */
  readonly lingerMs: number
}

/** The live queries and events of a client, over all its connections. */
export class LiveQueries implements LinkListener {
  constructor (link: Link, options: LiveQueriesOptions) {
    throw new Error(`not built yet: ${typeof link} ${typeof options}`)
  }

  /** Returns the live query of a name and its parameters, or of a description: one object for equal ones. */
  query<T = any> (query: string | Find, params?: object, options?: QueryOptions): LiveQuery<T> {
    throw new Error(`not built yet: ${JSON.stringify([query, params, options])}`)
  }

  /** Calls `onEvent` with each event of the rules whose topic the pattern matches. Returns what ends that. */
  events (pattern: string, onEvent: (event: any, topic: string) => void): () => void {
    throw new Error(`not built yet: ${pattern} ${typeof onEvent}`)
  }

  /** Shows the results of `preload` until newer ones have come. */
  hydrate (preloaded: Preloaded): void {
    throw new Error(`not built yet: ${typeof preloaded}`)
  }

  /** Sends the changes as one transaction, and shows them until the answer is in. Resolves with its data. */
  async optimistic (
    change: (tx: OptimisticTransaction) => void, options: RequestOptions | undefined, send: SendRequest
  ): Promise<any> {
    throw new Error(`not built yet: ${typeof change} ${typeof options} ${typeof send}`)
  }

  async onReady (): Promise<void> {}

  onPush (_message: ServerMessage): void {}

  onSystem (_message: ServerMessage): void {}

  onLost (): void {}

  /** Ends all queries and events for good. */
  close (): void {}
}
