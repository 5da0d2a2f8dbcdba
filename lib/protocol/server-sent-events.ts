/**
 * The headers of a stream of events: nothing on the way may keep it, change it or hold it back.
 * `X-Accel-Buffering` is for nginx.
 */
export const eventHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff'
} as const

/** The bytes before the data of an event, which is JSON and has no line ends, and behind it. */
const DATA = Buffer.from('data: ')
export const END = Buffer.from('\n\n')

/** A comment, which shows that the connection is alive. */
export const COMMENT = Buffer.from(':\n\n')

/** Returns an event with a name; `data` is JSON. */
export function namedEvent (name: string, data: object): Buffer {
  return Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}

/** Returns the field that says how long to wait before the next connection, in milliseconds. */
export function retryAfter (ms: number): Buffer {
  return Buffer.from(`retry: ${ms}\n\n`)
}

/** Makes events of the messages to one client. */
export interface EventFormat {
  /** Returns the bytes to send for a piece of a message. */
  piece: (bytes: Buffer, isFirst: boolean, isLast: boolean) => readonly Buffer[]
  /** Returns the last bytes of a stream that ends with this close code. */
  closed: (code: number, reason: string) => readonly Buffer[]
  /** Called when all bytes until now have been sent. */
  onSent?: () => void
}

/** Sends each message as it is, as the data of an event without a name. PROTOCOL.md, "Streams". */
export class MessageEvents implements EventFormat {
  piece (bytes: Buffer, isFirst: boolean, isLast: boolean): readonly Buffer[] {
    const pieces = [bytes]
    if (isFirst) pieces.unshift(DATA)
    if (isLast) pieces.push(END)
    return pieces
  }

  closed (code: number, reason: string): readonly Buffer[] {
    return [namedEvent('close', { code, reason })]
  }
}
