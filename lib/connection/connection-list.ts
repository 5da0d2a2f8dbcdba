import type { ConnectionDetails, ConnectionInfo } from '../operations/server-info.js'
import type {
  ConnectionFilter, ConnectionList as List, ConnectionPage, ConnectionPageRequest
} from '../operations/server-service.js'
import { invalid } from '../protocol/errors.js'
import type { Session } from '../protocol/session.js'
import type { Clock } from '../util/clock.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import type { Connection } from './connection.js'
import { CONNECTION_ID, type Connections } from './connections.js'
import type { RefusalLog } from './refusal-log.js'

/**
 * Subscriptions of one connection, of each kind, that are shown.
 * @limit so many are returned
 */
const MAX_SUBSCRIPTIONS = 500

/** The least time between two measurements of a rate, in milliseconds. */
const MIN_RATE_MS = 1_000

/** Connections that are looked at between two looks at the clock. */
const STEP = 64

/** The requests of a connection up to a time. */
interface Sample {
  /** In ticks of the clock. */
  readonly at: number
  readonly requests: number
  /** The rate before, per second. */
  readonly rate: number
}

/** Shows connections to operators. Long lists are made in slices, so that no client waits for them. */
export class ConnectionList implements List {
  readonly #connections: Connections
  readonly #refusals: RefusalLog
  readonly #clock: Clock
  readonly #samples = new WeakMap<Connection, Sample>()

  constructor (connections: Connections, refusals: RefusalLog, clock: Clock) {
    this.#connections = connections
    this.#refusals = refusals
    this.#clock = clock
  }

  async all (): Promise<ConnectionInfo[]> {
    const infos: ConnectionInfo[] = []
    await inSlices(this.#connections.all, connection => { infos.push(connection.info) })
    return infos
  }

  /** @throws `VALIDATION_ERROR` where `after` is no id of a connection */
  async page ({ limit, after, ...filter }: ConnectionPageRequest): Promise<ConnectionPage> {
    const start = after === undefined ? 0 : numberOf(after)
    if (start === undefined) throw invalid('after', 'must be the id of a connection, such as "conn-1"')
    const connections: ConnectionInfo[] = []
    let [total, more] = [0, false]
    await inSlices(this.#connections.all, connection => {
      if (!isMatch(connection, filter)) return
      total++
      if ((numberOf(connection.id) as number) <= start) return
      if (connections.length < limit) connections.push(connection.info)
      else more = true
    })
    return { connections, more, total }
  }

  details (connectionId: string): ConnectionDetails | undefined {
    const connection = this.#connections.find(connectionId)
    if (connection === undefined) return undefined
    return {
      ...connection.info,
      requestsPerSecond: this.#rateOf(connection),
      queued: connection.flow.queued,
      subscriptions: connection.principal.subscriptionInfos(MAX_SUBSCRIPTIONS),
      refusals: this.#refusals.of(connectionId)
        .map(({ at, operation, code, message }) => ({ at, operation, code, message }))
    }
  }

  /** Returns the requests per second, with one decimal. */
  #rateOf (connection: Connection): number {
    const { requests, connectedAt } = connection
    const at = this.#clock.ticks()
    const before = this.#samples.get(connection) ??
      { at: at - Math.max(0, this.#clock.now() - connectedAt), requests: 0, rate: undefined }
    const elapsedMs = at - before.at
    if (before.rate !== undefined && elapsedMs < MIN_RATE_MS) return before.rate
    const rate = Math.round(10_000 * (requests - before.requests) / Math.max(elapsedMs, MIN_RATE_MS)) / 10
    this.#samples.set(connection, { at, requests, rate })
    return rate
  }
}

async function inSlices<T> (items: readonly T[], visit: (item: T) => void): Promise<void> {
  for (const [i, item] of items.entries()) {
    visit(item)
    if (i % STEP === STEP - 1 && isTurnOver()) await nextTurn()
  }
}

/** Returns the number in the id of a connection, which rises; `undefined` where it is none. */
function numberOf (id: string): number | undefined {
  const match = CONNECTION_ID.exec(id)
  return match === null ? undefined : Number(match[1])
}

function isMatch (connection: Connection, { user, address, query }: ConnectionFilter): boolean {
  const { upgrade, session, principal } = connection
  if (address !== undefined && !upgrade.remoteAddress.startsWith(address)) return false
  if (user !== undefined && (session === undefined || !isUser(session, user))) return false
  return query === undefined || principal.watches(query)
}

function isUser ({ userId, userName }: Pick<Session, 'userId' | 'userName'>, user: string): boolean {
  return userId === user || userName?.toLowerCase().startsWith(user.toLowerCase()) === true
}
