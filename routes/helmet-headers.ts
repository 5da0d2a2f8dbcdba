import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import Fastify, { type FastifyInstance } from 'fastify'
import type { ResolvedOptions } from '../lib/options/options.js'

/** Headers that are no part of helmet. */
const others = new Set(['connection', 'content-length', 'content-type', 'date', 'keep-alive'])

/** How a route answers with the headers of helmet. */
interface HelmetHeaders {
  /** Headers that the route adds by itself. */
  readonly headers: Readonly<Record<string, string>>
  /** Options of the route for the helmet of its scope. */
  readonly route: { readonly helmet?: FastifyHelmetOptions }
}

/**
 * Has the routes of a scope answer with the headers of helmet. Those that are the same in each answer are
 * returned: helmet itself takes longer to make them than a whole request takes. Where they differ from answer
 * to answer (nonces, directives that are functions), or the application has helmet of its own, that adds
 * them.
 */
export async function helmetHeaders (
  scope: FastifyInstance, options: ResolvedOptions['helmet']
): Promise<HelmetHeaders> {
  if (options === false) return { headers: {}, route: {} }
  if (scope.hasReplyDecorator('helmet')) return { headers: {}, route: { helmet: options } }
  if (differs(options)) {
    await scope.register(helmet, options)
    return { headers: {}, route: {} }
  }
  const probe = Fastify()
  await probe.register(helmet, options)
  probe.get('/', async () => null)
  const { headers } = await probe.inject('/')
  await probe.close()
  const fixed = Object.entries(headers).filter(([name]) => !others.has(name))
  return { headers: Object.fromEntries(fixed.map(([name, value]) => [name, String(value)])), route: {} }
}

/** Whether the headers may differ from answer to answer. */
function differs (options: FastifyHelmetOptions): boolean {
  return options.enableCSPNonces === true || hasFunction(options)
}

function hasFunction (value: unknown): boolean {
  if (typeof value === 'function') return true
  return typeof value === 'object' && value !== null && Object.values(value).some(hasFunction)
}
