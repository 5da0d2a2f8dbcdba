import type { BareRequest } from './bare-answers.js'
import { textFrame } from './text-frame.js'

/** A socket of a server without a library for live queries. */
interface Writable {
  write (bytes: Buffer): unknown
}

/** The sockets that watch lists: each hears the changed row, in a frame that is built once for all. */
export class RowWatchers<Socket extends Writable> {
  readonly #lists = new Map<string, Set<Socket>>()

  add (list: string, socket: Socket): void {
    const watchers = this.#lists.get(list)
    if (watchers === undefined) this.#lists.set(list, new Set([socket]))
    else watchers.add(socket)
  }

  delete (socket: Socket): void {
    for (const watchers of this.#lists.values()) watchers.delete(socket)
  }

  /** Pushes the row that a request has changed, where its bucket is watched. */
  publish (request: BareRequest, row: unknown): void {
    if (request.type !== 'store.update') return
    const watchers = this.#lists.get(request.bucket)
    if (watchers === undefined || watchers.size === 0) return
    const delta = { upsert: [row], remove: [] }
    const push = { type: 'push', channel: 'subscription', subscriptionId: 'sub-0123456789ab', delta }
    const frame = textFrame(JSON.stringify(push))
    for (const socket of watchers) socket.write(frame)
  }
}
