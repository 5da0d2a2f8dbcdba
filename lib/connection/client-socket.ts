import type { EventEmitter } from 'node:events'
import type { Writable } from 'node:stream'
import type { WebSocket } from 'ws'

/** The part of a socket that is not a WebSocket of `ws`, where that has private members instead. */
export interface OwnSocket {
  /** Takes the frames of the outbox. */
  readonly stream: Writable
  /** The largest message that the client may send. */
  maxMessageBytes: number
}

/** The socket of a connection, as it is used: a WebSocket of `ws`, or an event stream. */
export type ClientSocket = EventEmitter &
  Pick<WebSocket, 'OPEN' | 'readyState' | 'isPaused' | 'pause' | 'resume' | 'close' | 'terminate'> & {
    readonly own?: OwnSocket
  }
