import { readFile } from 'node:fs/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { noexPlugin, type NoexOptions } from 'fastify-noex'
import { folder } from './folder.js'
import type { DeskStore } from './model.js'
import { startRules } from './rules.js'

/** Time that browsers have to leave when the server stops, in milliseconds. */
export const gracePeriodMs = 5_000

/** Time for which all clients are still served after load balancers were told of the end, in milliseconds. */
export const drainDelayMs = 5_000

export interface OrderDeskOptions {
  readonly store: DeskStore
  /**
   * The web origins whose pages may connect. There is no login, so any site that a visitor has open could
   * otherwise write here.
   * @default every origin
   */
  readonly allowedOrigins?: readonly string[]
  /** @default none */
  readonly audit?: NoexOptions['audit']
  /**
   * Time after which an order that is not paid is called to mind, in milliseconds.
   * @default 60_000
   */
  readonly paymentMs?: number
  /** @default 5_000 */
  readonly drainDelayMs?: number
}

/** The page's files. There is no build step: browsers get these, and the client from the package. */
const files = [
  { url: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { url: '/app.js', file: 'app.js', type: 'text/javascript; charset=utf-8' },
  { url: '/style.css', file: 'style.css', type: 'text/css; charset=utf-8' },
  { url: '/icon.svg', file: 'icon.svg', type: 'image/svg+xml' }
] as const

const headers = {
  'cache-control': 'no-cache',
  // Some browsers do not count the page's own WebSocket as 'self'.
  'content-security-policy': "default-src 'self'; connect-src 'self' ws: wss:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

/**
 * The application, as a Fastify plugin: a web page, the store that it shows live, and the rules that react to
 * it. It gives the scope that registers it `app.noex`.
 */
export const orderDesk = fp(register)

async function register (app: FastifyInstance, options: OrderDeskOptions): Promise<void> {
  const { store, allowedOrigins, audit, paymentMs = 60_000 } = options
  const onError = (err: Error): void => { app.log.error({ err }, 'a rule has failed') }
  const { rules, stop } = await startRules(store, { paymentMs, onError })
  app.addHook('onClose', stop)
  await app.register(noexPlugin, {
    store,
    rules,
    path: '/live',
    routes: { client: '/client' },
    name: 'order-desk',
    allowedOrigins,
    audit,
    shutdown: { gracePeriodMs, drainDelayMs: options.drainDelayMs ?? drainDelayMs }
  })
  for (const { url, file, type } of files) {
    const body = await readFile(new URL(`public/${file}`, folder))
    app.get(url, async (_request, reply) => await reply.headers(headers).type(type).send(body))
  }
}
