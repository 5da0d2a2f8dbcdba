import { jsonCopy } from '../application/json-copy.js'
import type { LogGuard } from '../application/log-guard.js'
import { messageOf } from '../application/thrown.js'
import type { CallAudit } from '../audit/call-audit.js'
import type { Caller } from '../connection/caller.js'
import type { CallerRefusal, Callers } from '../connection/callers.js'
import type { Calls } from '../connection/calls.js'
import { incomingRequest, type HttpRequest } from '../handshake/http-request.js'
import type { RequestOriginResolver } from '../handshake/request-origin.js'
import { checkJson, type Decoded } from '../protocol/decode.js'
import { NoexServerError } from '../protocol/errors.js'
import type { RequestMessage } from '../protocol/messages.js'
import { wholeText } from '../protocol/parts.js'
import type { Log } from '../util/log.js'

/** The parts of the service that calls of the application work with. */
export interface ApplicationCallsParts {
  readonly calls: Calls
  readonly callers: Callers
  readonly callAudit: CallAudit | undefined
  readonly originResolver: RequestOriginResolver
  readonly logGuard: LogGuard
  readonly log: Log
}

const noFields = {}

/** Calls operations for the application: `Noex.call`. */
export class ApplicationCalls {
  readonly #parts: ApplicationCallsParts
  /** The callers of requests that are being handled: a token is checked once for each request. */
  readonly #callers = new WeakMap<HttpRequest, Promise<Caller | CallerRefusal>>()

  constructor (parts: ApplicationCallsParts) {
    this.#parts = parts
  }

  /** Runs one operation. See `Noex.call`. */
  async call (
    caller: unknown, operation: unknown, fields: unknown = noFields, options: unknown = noFields
  ): Promise<unknown> {
    const message = messageFrom(operation, fields, options)
    const { calls } = this.#parts
    if (calls.refusal !== undefined) throw calls.refusal
    const found = await this.#callerFrom(caller)
    if ('refused' in found) throw found.failure
    const { text, failure } = await calls.handle(message, found)
    // Its own, since an error may be shared, and the stack should name the call.
    if (failure !== undefined) throw new NoexServerError(failure.code, failure.message, failure.details)
    return (JSON.parse(wholeText(text)) as { readonly data: unknown }).data
  }

  async #callerFrom (given: unknown): Promise<Caller | CallerRefusal> {
    const { callers, log } = this.#parts
    if (given === null) return callers.ofSession(null, log)
    if (typeof given !== 'object') throw wrongCaller()
    if (isRequest(given)) return await this.#callerOf(given)
    try {
      return callers.ofSession(given, log)
    } catch (error) {
      throw wrongCaller(messageOf(error))
    }
  }

  async #callerOf (request: HttpRequest): Promise<Caller | CallerRefusal> {
    let found = this.#callers.get(request)
    if (found === undefined) this.#callers.set(request, found = this.#identify(request))
    return await found
  }

  async #identify (request: HttpRequest): Promise<Caller | CallerRefusal> {
    const { callers, callAudit, originResolver, logGuard } = this.#parts
    const incoming = incomingRequest(request)
    const log = (): Log => logGuard.wrap(request.log)
    const found = await callers.ofRequest({ incoming, log, hasLeft: () => false }, false)
    if ('refused' in found) callAudit?.refused(originResolver.addressOf(incoming), found.refused, log())
    return found
  }
}

/** Whether a caller is a request of Fastify. */
function isRequest (given: object): given is HttpRequest {
  const { raw, headers } = given as Partial<HttpRequest>
  return typeof raw === 'object' && typeof headers === 'object'
}

/** Returns the request of a call. @throws {TypeError} that names the parameter which is wrong */
function messageFrom (operation: unknown, fields: unknown, options: unknown): Decoded {
  if (typeof operation !== 'string' || operation === '') {
    throw new TypeError('call: operation must be the name of an operation')
  }
  const key = keyIn(options)
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new TypeError('call: fields must be an object')
  }
  const copy = jsonCopy(fields, 'fields') as Readonly<Record<string, unknown>>
  const own = copy['idempotencyKey']
  if (key !== undefined && own !== undefined && own !== key) {
    throw new TypeError('call: options.idempotencyKey is another one than fields.idempotencyKey')
  }
  // The name of the operation counts, and no member of the fields.
  const request: RequestMessage = {
    ...copy, ...(key !== undefined && { idempotencyKey: key }), id: 0, type: operation
  }
  const problem = checkJson(request)
  return problem === undefined
    ? { kind: 'request', request }
    : { kind: 'malformed', id: 0, error: new NoexServerError('VALIDATION_ERROR', problem) }
}

function keyIn (options: unknown): unknown {
  if (typeof options !== 'object' || options === null) throw new TypeError('call: options must be an object')
  const unknown = Object.keys(options).find(name => name !== 'idempotencyKey')
  if (unknown !== undefined) throw new TypeError(`call: there is no option ${unknown}`)
  return (options as { idempotencyKey?: unknown }).idempotencyKey
}

function wrongCaller (problem?: string): TypeError {
  const expected = 'call: the caller must be a request of Fastify, a session { userId, roles }, or null'
  return new TypeError(problem === undefined ? expected : `${expected}: ${problem}`)
}
