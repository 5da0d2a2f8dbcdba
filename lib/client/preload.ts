import { DisconnectedError, NoexClientError, TimeoutError } from './errors.js'
import { keyOf } from './live-query.js'
import type { Find, LiveQuery, Preloaded, QueryOptions } from './types.js'
import { messageOf } from './report.js'

/** A service in this process: `app.noex`. */
export interface PreloadService {
  call: (caller: any, operation: string, fields: object) => Promise<unknown>
}

/** A live query, or the parameters of `client.query`. */
export type PreloadQuery =
  | Pick<LiveQuery<any>, 'key'>
  | readonly [query: string | Find, params?: object | undefined, options?: QueryOptions]

/** The options of `preload`. */
export interface PreloadOptions {
  /** The token of the user, for a server that is asked over HTTP. */
  readonly token?: string | undefined
  /** The caller, for a service in this process: a session, or the request of Fastify. @default null */
  readonly session?: unknown
  /** Time for the answer of a server, in milliseconds. @default 10000 */
  readonly timeoutMs?: number
}

/** The reply to one request. */
interface Reply {
  readonly data?: any
  readonly code?: unknown
  readonly message?: unknown
}

/**
 * Asks for the present results of live queries, to be shown by `client.hydrate` before there is a connection:
 * the server by one POST to the URL of its `routes.rpc`, or a service of this process. A query that is
 * refused has its error in the place of its result, and the others are not the worse for it.
 * @throws `NoexClientError` where there is no answer, or none of this server
 * @example
 * const queries = [['open-orders'], [{ bucket: 'customers' }]] as const
 * const preloaded = await preload(app.noex, queries, { session: request })
 * const json = JSON.stringify(preloaded).replaceAll('<', '\\u003c')
 */
export async function preload (
  source: string | { readonly href: string } | PreloadService, queries: readonly PreloadQuery[],
  options: PreloadOptions = {}
): Promise<Preloaded> {
  const keys = queries.map(query => 'key' in query ? query.key : keyOf(...query))
  if (keys.length === 0) return { queries: [] }
  const requests = keys.map(key => ({ ...JSON.parse(key), delta: true, type: 'store.subscribe' }))
  // So that the results are not shown to another user.
  if (options.token ?? options.session) requests.push({ type: 'auth.whoami' })
  const replies: readonly Reply[] = typeof source === 'object' && 'call' in source
    ? await Promise.all(requests.map(async request => await callService(source, request, options)))
    : await post(String(Object(source).href ?? source), requests, options)
  const userId = requests.length > keys.length ? replies[keys.length]?.data?.userId : undefined
  return {
    ...(userId && { userId }),
    queries: keys.map((key, i) => {
      const { data, code = 'REFUSED', message = 'The server has not replied' } = replies[i] ?? {}
      return [key, data ?? { error: { code, message } }]
    })
  }
}

async function callService (
  source: PreloadService, { type, ...fields }: any, { session = null }: PreloadOptions
): Promise<Reply> {
  try {
    return { data: await source.call(session, type, fields) }
  } catch (error) {
    // Of the application itself: a wrong session, for instance.
    if (typeof (error as Reply).code !== 'string') throw error
    return error as Reply
  }
}

async function post (
  url: string, requests: readonly object[], { token, timeoutMs = 10_000 }: PreloadOptions
): Promise<readonly Reply[]> {
  const controller = new AbortController()
  const timer = setTimeout(() => { controller.abort() }, timeoutMs)
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(requests.map((request, id) => ({ ...request, id }))),
      signal: controller.signal
    })
    const text = await answer.text()
    return repliesIn(text, `${url} has answered ${answer.status}`)
  } catch (error) {
    if (error instanceof NoexClientError) throw error
    if (controller.signal.aborted) {
      throw new TimeoutError(`${url} has no answer after ${timeoutMs} ms`, 'not-done')
    }
    const { cause } = error as { cause?: unknown }
    throw new DisconnectedError(`${url} cannot be reached: ${messageOf(cause ?? error)}`, 'not-done')
  } finally {
    clearTimeout(timer)
  }
}

/** Returns the replies of an answer. @throws NoexClientError where it has none */
function repliesIn (text: string, status: string): readonly Reply[] {
  let body: any
  try {
    body = JSON.parse(text)
  } catch {
    throw new NoexClientError('REFUSED', `${status} without JSON: the URL must be that of \`routes.rpc\``)
  }
  if (Array.isArray(body)) return body
  throw new NoexClientError(String(body?.code ?? 'REFUSED'), `${status}: ${body?.message}`)
}
