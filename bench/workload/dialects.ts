import { ownOpening, type Opening } from '../driver/client.js'
import { isSuccess } from '../driver/http-client.js'
import { isPush, isResultOf, type KindOf } from '../driver/reply.js'
import type { UserInput } from './records.js'

/** How a server is asked for the same work: the texts of requests with a number, and what comes back. */
export interface Dialect {
  readonly opening: Opening
  readonly get: (id: number, bucket: string, key: string) => string
  readonly insert: (id: number, bucket: string, data: UserInput) => string
  readonly update: (id: number, bucket: string, key: string, data: Partial<UserInput>) => string
  /** Asks for the changes of a list. */
  readonly watch: (id: number, list: string) => string
  /** How requests are posted over HTTP, where that is the cheaper way. */
  readonly http?: {
    readonly path: string
    /** Returns the body that asks for the same as a text. */
    readonly bodyOf: (text: string) => string
    readonly kindOf: KindOf
  }
  /** Whether nothing answers `watch`. */
  readonly isWatchSilent?: true
  readonly kindOf: KindOf
  /** Whether a message is the push of a changed row. */
  readonly isPush: (bytes: Buffer, start: number) => boolean
}

/** The protocol of this server, with rows alone in its pushes. */
export const ownDialect: Dialect = {
  opening: ownOpening,
  get: (id, bucket, key) => JSON.stringify({ id, type: 'store.get', bucket, key }),
  insert: (id, bucket, data) => JSON.stringify({ id, type: 'store.insert', bucket, data }),
  update: (id, bucket, key, data) => JSON.stringify({ id, type: 'store.update', bucket, key, data }),
  watch: (id, query) => JSON.stringify({ id, type: 'store.subscribe', query, delta: true }),
  kindOf: (bytes, start, _end, id) => isPush(bytes, start) ? undefined : isResultOf(bytes, start, id),
  isPush
}

/** Engine.IO 4 below both Socket.IO and Feathers. */
const engineOpening: Opening = {
  path: '/socket.io/?EIO=4&transport=websocket',
  headers: [],
  greeting: '40',
  ready: '40',
  ping: '2',
  pong: '3'
}

const event = (id: number, ...content: unknown[]): string => `42${id}${JSON.stringify(content)}`
const isEvent = (bytes: Buffer, start: number): boolean => text(bytes, start, 3) === '42['
/** Whether a message acknowledges the event with this number with content that begins so. */
const acknowledges = (begins: string): KindOf => (bytes, start, _end, id) => {
  if (isEvent(bytes, start)) return undefined
  const expected = `43${id}${begins}`
  return text(bytes, start, expected.length) === expected
}

export const socketIoDialect: Dialect = {
  opening: engineOpening,
  get: (id, bucket, key) => event(id, 'get', bucket, key),
  insert: (id, bucket, data) => event(id, 'insert', bucket, data),
  update: (id, bucket, key, data) => event(id, 'update', bucket, key, data),
  watch: (id, list) => event(id, 'watch', list),
  kindOf: acknowledges('['),
  isPush: isEvent
}

export const feathersDialect: Dialect = {
  opening: engineOpening,
  get: (id, bucket, key) => event(id, 'get', bucket, key, {}),
  insert: (id, bucket, data) => event(id, 'create', bucket, data, {}),
  update: (id, bucket, key, data) => event(id, 'patch', bucket, key, data, {}),
  watch: (id, list) => event(id, 'create', 'watches', { list }, {}),
  // First the error, which there must not be.
  kindOf: acknowledges('[null,'),
  isPush: isEvent
}

const call = (id: number, method: string, path: string, input: object): string =>
  JSON.stringify({ id, method, params: { path, input } })
/** The number of a subscription: above those of all requests. */
const WATCH_ID = 1_000_000
const trpcPush = `{"id":${WATCH_ID},"result":{"type":"data"`

export const trpcDialect: Dialect = {
  opening: { path: '/', headers: [] },
  get: (id, bucket, key) => call(id, 'query', 'get', { bucket, key }),
  insert: (id, bucket, data) => call(id, 'mutation', 'insert', { bucket, data }),
  update: (id, bucket, key, data) => call(id, 'mutation', 'update', { bucket, key, data }),
  watch: (_id, list) => call(WATCH_ID, 'subscription', 'watch', { list }),
  kindOf: (bytes, start, _end, id) => {
    if (trpcDialect.isPush(bytes, start)) return undefined
    return [`{"id":${id},"result":{"type":"data"`, `{"id":${WATCH_ID},"result":{"type":"started"`]
      .some(expected => text(bytes, start, expected.length) === expected)
  },
  isPush: (bytes, start) => text(bytes, start, trpcPush.length) === trpcPush
}

const fields = '{ id name email score active _version _createdAt _updatedAt }'
const operation = (id: number, query: string, variables: object): string =>
  JSON.stringify({ id: String(id), type: 'subscribe', payload: { query, variables } })
const getQuery = `query ($bucket: String!, $key: ID!) { get(bucket: $bucket, key: $key) ${fields} }`
const insertQuery = 'mutation ($bucket: String!, $data: NewRow!) ' +
  `{ insert(bucket: $bucket, data: $data) ${fields} }`
const updateQuery = 'mutation ($bucket: String!, $key: ID!, $data: Change!) ' +
  `{ update(bucket: $bucket, key: $key, data: $data) ${fields} }`
const watchQuery = `subscription ($list: String!) { updated(list: $list) ${fields} }`
const mercuriusPush = `{"type":"next","id":"${WATCH_ID}"`
const complete = '{"type":"complete"'

export const mercuriusDialect: Dialect = {
  opening: {
    path: '/',
    headers: ['Sec-WebSocket-Protocol: graphql-transport-ws'],
    greeting: '{"type":"connection_init"}',
    ready: '{"type":"connection_ack"'
  },
  get: (id, bucket, key) => operation(id, getQuery, { bucket, key }),
  insert: (id, bucket, data) => operation(id, insertQuery, { bucket, data }),
  update: (id, bucket, key, data) => operation(id, updateQuery, { bucket, key, data }),
  watch: (_id, list) => operation(WATCH_ID, watchQuery, { list }),
  isWatchSilent: true,
  http: {
    path: '/',
    bodyOf: request => JSON.stringify((JSON.parse(request) as { payload: object }).payload),
    kindOf: (bytes, start, end) =>
      isSuccess(bytes, start) && /\r\n\r\n{"data":{"\w+":{"id":/.test(bytes.toString('latin1', start, end))
  },
  kindOf: (bytes, start, _end, id) => {
    if (mercuriusDialect.isPush(bytes, start)) return undefined
    if (text(bytes, start, complete.length) === complete) return undefined
    const expected = `{"type":"next","id":"${id}","payload":{"data":{`
    return text(bytes, start, expected.length) === expected
  },
  isPush: (bytes, start) => text(bytes, start, mercuriusPush.length) === mercuriusPush
}

function text (bytes: Buffer, start: number, length: number): string {
  return bytes.toString('latin1', start, start + length)
}
