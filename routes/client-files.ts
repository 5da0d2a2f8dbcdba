import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { NoexOptionsError } from '../lib/util/option-schema.js'
import { described, textOf, undescribed, type Description } from './described.js'
import { requestTimeoutMs } from './http.js'
import { refuseTakenPath, type RouteOptions } from './socket.js'

const description: Description = {
  id: 'Client',
  summary: 'The client, for pages without a bundler',
  response: {
    200: textOf('text/javascript', 'A module, which imports others beside it'),
    304: { type: 'null', description: 'The browser has it' }
  }
}

/**
 * Adds `GET <routes.client>/index.js` and the modules that it imports: `fastify-noex/client` for pages
 * without a bundler. They hold no secrets, so pages of every origin may import them.
 */
export const clientFiles: FastifyPluginAsync<RouteOptions> = async (scope, { options }) => {
  const { routes: { client }, hideRoutes } = options
  if (client === false) return
  for (const [name, body] of modules()) {
    const path = `${client === '/' ? '' : client}/${name}`
    refuseTakenPath(scope, path, 'routes.client')
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    const shown = name === 'index.js' ? described(scope, hideRoutes, description) : undescribed
    scope.get(path, { handlerTimeout: requestTimeoutMs(scope), ...shown }, async (request, reply) => {
      return await send(request, reply, body, etag)
    })
  }
}

/** Returns the built modules by name. @throws `NoexOptionsError` where the package is bundled */
function modules (): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  try {
    // A bundle in the format of CommonJS has no URL.
    const folder = new URL('../lib/client/', import.meta.url)
    for (const name of readdirSync(folder).filter(file => file.endsWith('.js'))) {
      files.set(name, readFileSync(new URL(name, folder)))
    }
  } catch {
    // The folder is not there.
  }
  if (files.has('index.js')) return files
  throw new NoexOptionsError('routes.client',
    'serves files of the package, which a bundle does not have: leave fastify-noex out of the bundle ' +
    '(esbuild --external:fastify-noex), or serve a bundle of fastify-noex/client yourself')
}

/** Answers with a module, or with 304 where the browser has it. */
async function send (
  { headers }: FastifyRequest, reply: FastifyReply, body: Buffer, etag: string
): Promise<unknown> {
  reply.headers({
    'access-control-allow-origin': '*',
    'cache-control': 'no-cache',
    'cross-origin-resource-policy': 'cross-origin',
    etag,
    'x-content-type-options': 'nosniff'
  })
  if (headers['if-none-match']?.includes(etag) === true) return await reply.code(304).send()
  return await reply.type('text/javascript; charset=utf-8').send(body)
}
