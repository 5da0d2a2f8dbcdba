import type { FastifyInstance, FastifySchema } from 'fastify'

/** The tag of all routes. With it, `hiddenTag: 'noex'` of `@fastify/swagger` hides them, too. */
const TAG = 'noex'

/** A route as `@fastify/swagger` and its like show it. */
export interface Description {
  /** The end of the id of the operation, behind `noex`. */
  readonly id: string
  readonly summary: string
  readonly description?: string
  readonly querystring?: object
  readonly headers?: object
  readonly body?: object
  /** The shapes of answers by status, with descriptions; a text alone is that of a refusal. */
  readonly response: Readonly<Record<number, object | string>>
}

/** The members of a route's schema that only programs which make documents read. */
interface DocumentedSchema extends FastifySchema {
  readonly hide: boolean
  readonly tags?: readonly string[]
  readonly operationId?: string
  readonly summary?: string
  readonly description?: string
}

/** The part of a route that describes it. */
interface DescribedRoute {
  readonly schema: DocumentedSchema
  readonly validatorCompiler: () => () => true
  readonly serializerCompiler: () => (payload: unknown) => string
}

/** The body of a refusal, in the form of Fastify's own. */
const problem = {
  type: 'object',
  required: ['statusCode', 'error', 'message'],
  properties: { statusCode: { type: 'integer' }, error: { type: 'string' }, message: { type: 'string' } }
} as const

/**
 * Returns the part of a route that describes it. The description checks nothing and changes no answer: routes
 * check their requests themselves, and hooks of the application may send answers of other shapes. It is left
 * out of documents where `isHidden`.
 */
export function described (
  scope: FastifyInstance, isHidden: boolean, { id, response, ...others }: Description
): DescribedRoute {
  const operationId = `noex${id}${idOf(scope.prefix)}`
  const responses = Object.entries(response).map(([status, shape]) =>
    [status, typeof shape === 'string' ? { description: shape, ...problem } : shape])
  return {
    schema: { hide: isHidden, tags: [TAG], operationId, ...others, response: Object.fromEntries(responses) },
    validatorCompiler: () => () => true,
    serializerCompiler: () => serialize
  }
}

/** A route that no document shows: one that only refuses, or that belongs to another. */
export const undescribed: Pick<DescribedRoute, 'schema'> = { schema: { hide: true } }

/** Returns the shape of an answer whose body is text of this type. */
export function textOf (type: string, description: string): object {
  return { description, content: { [type]: { schema: { type: 'string' } } } }
}

/** Returns a path as the end of an id: `/live/desk` as `LiveDesk`. */
function idOf (path: string): string {
  return path.split(/[^A-Za-z0-9]+/).map(word => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
}

/**
 * Serializes every payload without a schema, and errors as Fastify does. The schemas document our own
 * answers; hooks and error handlers of the application may send others, which must not fail for a missing
 * property.
 */
function serialize (payload: unknown): string {
  if (!(payload instanceof Error)) return JSON.stringify(payload)
  const { statusCode, code, error, message } = payload as Error & Record<string, unknown>
  return JSON.stringify({ statusCode, code, error, message })
}
