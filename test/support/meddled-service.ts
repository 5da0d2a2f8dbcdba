import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import { serve, type Served } from './service.js'
import { watchUncaughtErrors } from './uncaught-errors.js'
import { logInto, type LogLine } from './log-into.js'
import { RawSocket } from './raw-socket.js'

type Add = (app: FastifyInstance) => void

/** Requests that the hooks of this file meddle with have this header; all others pass them. */
const MEDDLE = 'X-Meddle: 1'

export function isMeddled (request: FastifyRequest): boolean {
  return request.headers['x-meddle'] !== undefined
}

export interface Meddled extends Served {
  readonly lines: LogLine[]
  /** Resolves with the status of a request with which the hooks meddle: a plain one, or an upgrade. */
  readonly get: (path: string, method?: string) => Promise<number>
  readonly upgrade: (...headers: string[]) => Promise<number>
  /** The body of a plain request. */
  readonly body: (path: string) => Promise<unknown>
  /** Sees that what has happened has cost its own requests and no more. */
  readonly unharmed: () => Promise<void>
}

export async function serveMeddled (
  t: Test, add: Add, options: Omit<NoexOptions, 'store'> = {}
): Promise<Meddled> {
  const uncaught = watchUncaughtErrors(t)
  const lines: LogLine[] = []
  const served = await serve(
    t,
    { path: '/live', routes: { metrics: '/metrics' }, connectionLimits: { maxConnections: 4 }, ...options },
    {
      fastify: { handlerTimeout: 150, logger: logInto(lines) },
      before: add
    }
  )
  const { port, app, connect } = served
  const otherClient = await connect('/live')
  async function get (path: string, method = 'GET'): Promise<number> {
    const raw = await RawSocket.open(t, port)
    raw.request(`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', MEDDLE)
    const status = await raw.status()
    raw.socket.destroy()
    return status
  }
  async function upgrade (...headers: string[]): Promise<number> {
    const raw = await RawSocket.upgrade(t, port, '/live', ['Host: localhost', MEDDLE, ...headers])
    const status = await raw.status()
    if (status !== 101) await raw.closed
    raw.socket.destroy()
    return status
  }
  async function body (path: string): Promise<unknown> {
    return await (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-meddle': '1' } })).json()
  }
  async function unharmed (): Promise<void> {
    t.ok(await otherClient.ask('store.buckets'), 'the other client is served')
    while (app.noex.connectionCount > 1) await otherClient.settled()
    const next = await connect('/live')
    t.ok(await next.ask('store.buckets'), 'the slot of the request is free again')
    next.ws.terminate()
    for (const path of ['/healthz', '/stats', '/metrics']) {
      t.equal((await fetch(`http://127.0.0.1:${port}${path}`)).status, 200, path)
    }
    while (app.noex.connectionCount > 1) await otherClient.settled()
    t.same(uncaught, [], 'everything that was thrown was caught')
  }
  return { ...served, lines, get, upgrade, body, unharmed }
}

export const plainPaths = ['/healthz', '/readyz', '/livez', '/stats', '/metrics', '/live']

/** The message of every error that hooks of this file fail with. */
export const FAULT = 'a fault of the application'

export function fault (): never {
  throw new Error(FAULT)
}

export const requestHooks = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const
export type RequestHook = (typeof requestHooks)[number]

/** Adds an async hook that runs before the handler. */
export function addHook (
  app: FastifyInstance,
  name: RequestHook,
  hook: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
): void {
  if (name === 'preParsing') {
    app.addHook(name, async (request, reply) => {
      await hook(request, reply)
    })
  } else app.addHook(name, hook)
}

/** Adds a hook with a callback that runs before the handler. */
export function addCallbackHook (
  app: FastifyInstance,
  name: RequestHook,
  hook: (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void
): void {
  if (name === 'preParsing') {
    app.addHook(name, (request, reply, _payload, done) => {
      hook(request, reply, done)
    })
  } else app.addHook(name, hook)
}
