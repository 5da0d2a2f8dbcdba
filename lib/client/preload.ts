import { checkOptions, MILLISECONDS, mustBe, TEXT } from './checks.js'
import { environment } from './environment.js'
import { DisconnectedError, NoexClientError, TimeoutError } from './errors.js'
import { keyOf } from './live-query.js'
import type { Find, LiveQuery, Preloaded, QueryOptions } from './types.js'
import { messageOf, shownUrl } from './report.js'

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

const kinds = {
  token: TEXT,
  session: 'an object or null',
  timeoutMs: MILLISECONDS
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
 * @throws `NoexClientError` where there is no answer, or none of this server, and `TypeError` for a wrong
 * argument
 * @example
 * const queries = [['open-orders'], [{ bucket: 'customers' }]] as const
 * const preloaded = await preload(app.noex, queries, { session: request })
 * const json = JSON.stringify(preloaded).replaceAll('<', '\\u003c')
 */
export async function preload (
  source: string | { readonly href: string } | PreloadService, queries: readonly PreloadQuery[],
  options: PreloadOptions = {}
): Promise<Preloaded> {
  const { call, href }: { call?: unknown, href?: unknown } = Object(source)
  const isService = typeof source === 'object' && typeof call === 'function'
  const url: unknown = href ?? source
  if (!isService) mustBe('preload: the source', url, '`app.noex`, or a URL (a non-empty string)')
  mustBe('preload: queries', queries, 'an array')
  const keys = Array.from(queries, keyIn)
  const checked = checkOptions('preload', options, kinds)
  if (isService ? checked.token : checked.session) {
    throw new TypeError(isService
      ? 'preload: a service in the process takes the option session, not token'
      : 'preload: a URL takes the option token, not session')
  }
  if (keys.length === 0) return { queries: [] }
  const requests = keys.map(key => ({ ...JSON.parse(key), delta: true, type: 'store.subscribe' }))
  // So that the results are not shown to another user.
  if (checked.token ?? checked.session) requests.push({ type: 'auth.whoami' })
  const replies: readonly Reply[] = isService
    ? await Promise.all(requests.map(async request =>
      await callService(source as PreloadService, request, checked)))
    : await post(url as string, requests, checked)
  const userId = requests.length > keys.length ? replies[keys.length]?.data?.userId : undefined
  return {
    ...(userId && { userId }),
    queries: keys.map((key, i) => {
      const { data, code = 'REFUSED', message = 'The server has not replied' } = replies[i] ?? {}
      return [key, data ?? { error: { code, message } }]
    })
  }
}

/** Returns the key of a query. @throws `TypeError` for what is none */
function keyIn (query: PreloadQuery, index: number): string {
  if (Array.isArray(query)) return keyOf(...query as Parameters<typeof keyOf>)
  const key: unknown = Object(query).key
  try {
    if (typeof JSON.parse(key as string) === 'object') return key as string
  } catch {}
  throw new TypeError(`preload: queries[${index}] must be an array [query, params, options], or a live query`)
}

async function callService (
  source: PreloadService, { type, ...fields }: any, { session = null }: PreloadOptions
): Promise<Reply> {
  try {
    return { data: await source.call(session, type, fields) }
  } catch (error) {
    // Of the application itself: a wrong session, for instance.
    if (typeof Object(error).code !== 'string') throw error
    return error as Reply
  }
}

async function post (
  url: string, requests: readonly object[], { token, timeoutMs = 10_000 }: PreloadOptions
): Promise<readonly Reply[]> {
  const controller = new AbortController()
  const cancel = environment.after(timeoutMs, () => { controller.abort() })
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(requests.map((request, id) => ({ ...request, id }))),
      signal: controller.signal
    })
    const text = await answer.text()
    return repliesIn(text, `${shownUrl(url)} has answered ${answer.status}`)
  } catch (error) {
    if (error instanceof NoexClientError) throw error
    if (controller.signal.aborted) {
      throw new TimeoutError(`${shownUrl(url)} has no answer after ${timeoutMs} ms`, 'not-done')
    }
    const { cause } = error as { cause?: unknown }
    const why = messageOf(cause ?? error)
    throw new DisconnectedError(`${shownUrl(url)} cannot be reached: ${why}`, 'not-done')
  } finally {
    cancel()
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
