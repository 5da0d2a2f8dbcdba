import type { EventSink, EventStream } from '../connection/event-stream.js'
import type { EventStreams } from '../connection/event-streams.js'
import { QueryStream, type QueryRefusal, type QueryRequest } from '../connection/query-stream.js'
import type { ResponseSink } from '../connection/response-sink.js'
import type { IncomingRequest, RequestOriginResolver } from '../handshake/request-origin.js'
import type { Upgrade } from '../handshake/upgrade.js'
import type { UpgradeAdmission, UpgradeRefusal } from '../handshake/upgrade-admission.js'
import type { ClientSocket } from '../connection/socket.js'

/** The parts of the service that streams work with. */
interface StreamServiceParts {
  readonly streams: EventStreams
  readonly originResolver: RequestOriginResolver
  readonly upgradeAdmission: UpgradeAdmission
  /** Takes over a socket, and the slot of its admission. */
  readonly accept: (socket: ClientSocket, upgrade: Upgrade) => void
}

/** Serves clients over plain HTTP, each as a connection. */
export class StreamService {
  readonly #parts: StreamServiceParts

  constructor (parts: StreamServiceParts) {
    this.#parts = parts
  }

  /** Opens a stream of messages on a response whose head has been sent. */
  open (sink: EventSink, upgrade: Upgrade): void {
    const { streams, accept } = this.#parts
    accept(streams.open(sink, upgrade.session?.userId), upgrade)
  }

  /**
   * Shows one live query. Resolves with `undefined` when it is shown; then `begin` has been called, which
   * sends the head of the response. Resolves with the refusal otherwise.
   */
  async watch (
    sink: ResponseSink, upgrade: Upgrade, request: QueryRequest, begin: () => void
  ): Promise<QueryRefusal | undefined> {
    const { streams, accept } = this.#parts
    const query = new QueryStream(streams, sink, request, begin)
    accept(query.stream, { ...upgrade, endsWithSession: true })
    query.start()
    return await query.outcome
  }

  /**
   * Finds the stream that a POST is for: `undefined` where it has none, or not this user's. The POST must
   * come from where an upgrade may come from.
   */
  find (id: string, request: IncomingRequest): EventStream | UpgradeRefusal | undefined {
    const { streams, originResolver, upgradeAdmission } = this.#parts
    const refusal = upgradeAdmission.refusalOfOrigin(request)
    if (refusal !== undefined) return refusal
    const origin = originResolver.resolve(request)
    return 'refused' in origin ? origin : streams.find(id, origin.session?.userId)
  }

  /** Resolves when no stream is left. */
  async empty (): Promise<void> {
    await this.#parts.streams.empty()
  }
}
