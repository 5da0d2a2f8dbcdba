/** The close code of a transport that has ended without one. */
export const LOST = 1006

/** The close code of a transport that cannot be tried here, neither now nor later. */
export const IMPOSSIBLE = 0

/** The receiver of a transport's events. */
export interface TransportListener {
  /** Called with each message of the server, as text. */
  onMessage: (text: string) => void
  /**
   * Called once, when the transport has ended or could not be opened; `code` is a close code, 1006 where
   * there is none; `problem` says why it could not be opened, where that is known.
   */
  onClose: (code: number, reason: string, problem?: string) => void
}

/** A way for messages to the server and back, which keeps their order. */
export interface Transport {
  readonly kind: 'websocket' | 'http' | 'tab'
  /** Sends a message. Does nothing once the transport has ended. */
  send: (text: string) => void
  /** Ends the transport at once: `onClose` is not called any more. */
  close: (code?: number, reason?: string) => void
}

/** Opens a transport. Never throws: what is wrong comes by `onClose`, later. */
export type OpenTransport = (listener: TransportListener) => Transport
