import { Client } from './client.js'
import { HttpClient, isSuccess } from './http-client.js'
import { idOf, isResultOf } from './reply.js'

/** The requests of a load, in the forms that servers take. */
export interface Prepared {
  readonly frames: readonly Buffer[]
  readonly posts: readonly Buffer[]
}

/** A client that asks for transfers by their place in a load. */
export interface TransferClient {
  readonly send: (load: Prepared, index: number) => void
  /** Called with each answer: the place of the transfer, and whether it was done. */
  onAnswer: (index: number, succeeded: boolean) => void
  /** Called when all answers that arrived together have been handed on. */
  onChunk: () => void
  /** Takes an end of the connection for no error from now on. */
  readonly expectEnd: () => void
  /** Ends the connection. */
  readonly reset: () => void
}

/** Opens a client of a WebSocket server, whose answers tell the transfer by its id. */
export async function openWebSocketClient (port: number): Promise<TransferClient> {
  const client = await Client.open(port)
  const opened: TransferClient = {
    send ({ frames }, index) { client.send(frames[index] as Buffer) },
    onAnswer () {},
    onChunk () {},
    expectEnd () { client.expectEnd() },
    reset () { client.reset() }
  }
  client.onMessage = (bytes, start, end) => {
    const id = idOf(bytes, start)
    if (Number.isNaN(id)) throw new Error(`this answers no transfer: ${bytes.toString('utf8', start, end)}`)
    opened.onAnswer(id - 1, isResultOf(bytes, start, id))
  }
  client.onChunk = () => { opened.onChunk() }
  return opened
}

/** Opens a client of an HTTP server, which answers in the order of the requests. */
export async function openHttpClient (port: number): Promise<TransferClient> {
  const client = await HttpClient.open(port)
  const waiting: number[] = []
  const opened: TransferClient = {
    send ({ posts }, index) {
      waiting.push(index)
      client.send(posts[index] as Buffer)
    },
    onAnswer () {},
    onChunk () {},
    expectEnd () { client.expectEnd() },
    reset () { client.reset() }
  }
  client.onMessage = (bytes, start) => { opened.onAnswer(waiting.shift() ?? -1, isSuccess(bytes, start)) }
  client.onChunk = () => { opened.onChunk() }
  return opened
}
