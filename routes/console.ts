import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { NoexOptionsError } from '../lib/util/option-schema.js'
import { consolePage } from './console-page.js'
import { addVary, requestTimeoutMs } from './http.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'

/** A file as it is sent. */
interface Asset {
  readonly type: string
  readonly etag: string
  readonly body: Buffer
  readonly compressed: Buffer
}

/**
 * Nothing runs or is loaded but the files of the console, and no text ever becomes markup: browsers with
 * Trusted Types refuse it.
 */
const policy = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'",
  "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  "require-trusted-types-for 'script'", "trusted-types 'none'"
].join('; ')

const headers = {
  'cache-control': 'no-cache',
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  html: 'text/html; charset=utf-8'
}

/**
 * Adds the files of the console below `routes.console`. They hold no secrets and need no right: what the
 * console shows, it gets over the WebSocket, by the rights of the user who logs in there.
 */
export const consoleFiles: FastifyPluginAsync<RouteOptions> = async (scope, { options }) => {
  const { console: path } = options.routes
  if (path === false) return
  const base = path.replace(/\/$/, '')
  const modules = consoleModules()
  const page = consolePage(options, [...modules.keys()].filter(name => name.endsWith('.js')))
  const index = assetOf('index.html', Buffer.from(page))
  const settings = { handlerTimeout: requestTimeoutMs(scope) }
  const home = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const [pathname = ''] = request.url.split('?')
    if (pathname.endsWith('/')) return await send(request, reply, index)
    // Relative, as all links are: a proxy in front may have put the console elsewhere.
    return await reply.code(302).header('location', `${pathname.split('/').at(-1)}/`).send()
  }
  for (const place of ignoresLastSlash(scope) || base === '' ? [`${base}/`] : [base, `${base}/`]) {
    refuseTakenPath(scope, place, 'routes.console')
    scope.get(place, settings, home)
  }
  for (const [name, asset] of modules) {
    scope.get(`${base}/${name}`, settings, async (request, reply) => await send(request, reply, asset))
  }
}

/** Whether the application has its router find a path with and without its last slash. */
function ignoresLastSlash ({ initialConfig }: FastifyInstance): boolean {
  const config = initialConfig as SlashOptions & { readonly routerOptions?: SlashOptions }
  return config.routerOptions?.ignoreTrailingSlash === true || config.ignoreTrailingSlash === true
}

interface SlashOptions {
  readonly ignoreTrailingSlash?: boolean
}

/** Returns the files by their paths below the console. @throws `NoexOptionsError` where they are missing */
function consoleModules (): Map<string, Asset> {
  const files = new Map<string, Asset>()
  try {
    // A bundle in the format of CommonJS has no URL.
    const add = (folder: string, prefix: string): void => {
      const place = new URL(folder, import.meta.url)
      for (const name of readdirSync(place, { recursive: true }).map(String)) {
        const path = `${prefix}${name.replaceAll('\\', '/')}`
        if (/\.(js|css|svg)$/.test(name) && !name.startsWith('adapters')) files.set(path, assetOf(path, readFileSync(new URL(name, place))))
      }
    }
    add('../../assets/console/', '')
    add('../lib/console/', 'console/')
    add('../lib/client/', 'client/')
  } catch {
    // A folder is not there.
  }
  const [own, theirs] = [files.get('console.css'), files.get('uPlot.css')]
  const isBuilt = files.has('console/start.js') && files.has('client/index.js')
  if (own !== undefined && theirs !== undefined && isBuilt) {
    // The first paint waits for one answer only.
    files.set('console.css', assetOf('console.css', Buffer.concat([own.body, theirs.body])))
    files.delete('uPlot.css')
    return files
  }
  throw new NoexOptionsError('routes.console',
    'serves files of the package, which a bundle does not have: leave fastify-noex out of the bundle ' +
    '(esbuild --external:fastify-noex)')
}

function assetOf (name: string, body: Buffer): Asset {
  return {
    type: types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    body,
    compressed: gzipSync(body)
  }
}

/** Answers with a file, or with 304 where the browser has it. */
async function send (
  { headers: { 'if-none-match': known, 'accept-encoding': accepted } }: FastifyRequest,
  reply: FastifyReply,
  { type, etag, body, compressed }: Asset
): Promise<unknown> {
  reply.headers(headers)
  addVary(reply, 'Accept-Encoding')
  const isCompressed = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(accepted))
  // A strong tag names the bytes that are sent.
  const tag = isCompressed ? etag.replace(/"$/, '-gz"') : etag
  reply.header('etag', tag)
  if (known?.includes(tag) === true) return await reply.code(304).send()
  if (isCompressed) reply.header('content-encoding', 'gzip')
  return await reply.type(type).send(isCompressed ? compressed : body)
}
