import type { NoexClientError } from './errors.js'

/** A message of the server: PROTOCOL.md, "Messages". */
export type ServerMessage = Readonly<Record<string, any>>

/** The connection, as live queries and events use it. */
export interface Link {
  /** Whether requests can be sent: the server has sent its welcome, and the client is logged in. */
  readonly isReady: boolean
  /** The id of the user that the data are of, as far as it is known. */
  user?: unknown
  /** Connects where that has not begun. To be called when something is needed of the link. */
  wake?: () => void
  /** Whether the server has an extension of the protocol. */
  has: (extension: string) => boolean
  /**
   * Sends a request on the present connection. One of the callbacks is called in the turn in which the reply
   * comes, before the next message is handled; `onError` with a `DisconnectedError` when the connection ends
   * first.
   */
  ask: (
    type: string, members: object, onReply: (data: any) => void, onError: (error: NoexClientError) => void
  ) => void
}

/** The user of a link. */
export interface LinkListener {
  /**
   * Called when it is known who is logged in: before `onReady`, and at each login on the same connection.
   * `isOther`: whether that is another user than before.
   */
  onUser?: (isOther: boolean) => void
  /**
   * Called when a new connection can be used: subscribes everything again. The connection is `open` when the
   * promise has settled.
   */
  onReady: () => Promise<unknown>
  onPush: (message: ServerMessage) => void
  /** Called for each message `system`. */
  onSystem: (message: ServerMessage) => void
  /** Called when the connection has ended: no push comes any more. */
  onLost: () => void
}
