import type { OnMessage } from './frame-reader.js'
import type { RequestRing } from './frame-ring.js'
import { isReply, type KindOf } from './reply.js'

/** A connection on which replies come in the order of the requests. */
interface LoopClient {
  onMessage: OnMessage
  onChunk: () => void
  readonly send: (bytes: Buffer) => void
}

/** A load that keeps a fixed number of requests under way. */
export interface ClosedLoop {
  readonly clients: readonly LoopClient[]
  readonly requests: RequestRing
  /** Requests of one client that wait for their reply. */
  readonly inFlight: number
  /** Requests of one client in all. */
  readonly operations: number
  /** Tells what a message is. @default by the protocol of this server, which sends replies alone */
  readonly kindOf?: KindOf
}

/**
 * Sends the load and resolves, when every request has its reply, with the milliseconds that each took. Each
 * request is a write of its own, as WebSocket libraries do it. Rejects at a reply that is not the expected
 * result.
 */
export async function runClosedLoop (load: ClosedLoop): Promise<Float64Array[]> {
  return await Promise.all(load.clients.map(async (client, i) => {
    // Clients start at different places, so that they do not ask for the same record at the same time.
    const start = Math.floor(i * load.requests.size / load.clients.length)
    return await runClient(client, load, start)
  }))
}

async function runClient (
  client: LoopClient,
  { requests, inFlight, operations, kindOf = isReply }: ClosedLoop,
  start: number
): Promise<Float64Array> {
  const sentAt = new Float64Array(operations)
  const tookMs = new Float64Array(operations)
  let sent = 0
  let answered = 0

  const sendUpTo = (count: number): void => {
    const now = performance.now()
    for (; sent < count; sent++) {
      sentAt[sent] = now
      client.send(requests.at(start + sent))
    }
  }

  await new Promise<void>((resolve, reject) => {
    let timed = 0
    client.onMessage = (bytes, from, to) => {
      const id = (start + answered) % requests.size + 1
      const isResult = kindOf(bytes, from, to, id)
      if (isResult === undefined) return
      if (isResult) answered++
      else reject(new Error(`expected the result of request ${id}, got ${bytes.toString('utf8', from, to)}`))
    }
    client.onChunk = () => {
      const now = performance.now()
      for (; timed < answered; timed++) tookMs[timed] = now - (sentAt[timed] ?? 0)
      if (answered === operations) resolve()
      else sendUpTo(Math.min(answered + inFlight, operations))
    }
    sendUpTo(Math.min(inFlight, operations))
  })
  return tookMs
}
