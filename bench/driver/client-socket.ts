import { connect, type Socket } from 'node:net'

/** Reads are handled before the next one begins, so all sockets can share the buffer. */
const readBuffer = Buffer.allocUnsafe(65_536)

/**
 * The connection of a client to 127.0.0.1. An end that is not expected is thrown: counts after it would be
 * wrong, so the benchmark does not go on.
 */
export abstract class ClientSocket {
  /** Called when all messages that arrived together have been handed on. */
  onChunk: () => void = () => {}
  /** Bytes that have arrived. */
  receivedBytes = 0
  protected readonly socket: Socket
  #isEndExpected = false

  protected constructor (port: number) {
    this.socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: length => {
          this.receivedBytes += length
          this.read(readBuffer, length)
          this.onChunk()
          return true
        }
      }
    })
    this.socket.on('error', error => { if (!this.#isEndExpected) throw error })
    this.socket.on('close', () => {
      if (!this.#isEndExpected) throw new Error('the server has closed a connection')
    })
  }

  /** Sends prepared bytes. */
  send (bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** Takes an end of the connection for no error from now on. */
  expectEnd (): void {
    this.#isEndExpected = true
  }

  /** Ends the socket at once and leaves nothing behind in the TCP stack. */
  reset (): void {
    this.expectEnd()
    this.socket.resetAndDestroy()
  }

  /** Takes the first `length` of these bytes, which are valid during the call only. */
  protected abstract read (bytes: Buffer, length: number): void
}
