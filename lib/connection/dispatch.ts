import { CallbackError } from '../application/application-callback.js'
import { plainRefusal } from '../application/plain-answer.js'
import { readableError } from '../application/thrown.js'
import { appliedUnaudited, auditUnavailable } from '../audit/audit-unavailable.js'
import { RequestAudit, type AuditSubject } from '../audit/request-audit.js'
import type { Authorizer } from '../permissions/authorizer.js'
import type { Grant } from '../permissions/grant.js'
import { NoexServerError, NothingNamedError } from '../protocol/errors.js'
import { internalError } from '../protocol/refusals.js'
import { incompleteBucket, toReplyError } from '../store/store-errors.js'
import type { RequestLimiter } from '../limits/request-limiter.js'
import type { RequestMetrics } from '../metrics/request-metrics.js'
import type { OperationRegistry } from '../operations/registry.js'
import type { Client, ServerContext } from '../operations/context.js'
import type { Operation } from '../operations/operation.js'
import type { RefusalRecorder } from '../operations/server-service.js'
import { completeAnswer, type Asked } from '../operations/suggestion.js'
import { runDurably } from '../operations/run-operation.js'
import { runOnce } from '../operations/run-once.js'
import { decode, type Decoded } from '../protocol/decode.js'
import { EncodedJson, encodeBigResult, encodeError, encodeResult } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'
import { mayBeBig, type MessageText } from '../protocol/parts.js'
import type { Log } from '../util/log.js'
import type { SlowLog } from '../util/slow-log.js'
import type { Principal } from '../permissions/principal.js'
import { countAnswer } from './answered-requests.js'
import type { Reply } from './held-replies.js'
import type { MessageFlow } from './message-flow.js'

/** The party on whose behalf a client asks. */
export interface RequestPrincipal extends Principal {
  /** Whether the session must be confirmed before a request is handled. */
  readonly isStale: boolean
  /** Asks the issuer whether the session is still valid and applies the answer. Rejects without one. */
  confirm: () => Promise<void>
}

/** A client to which replies can be sent: a connection, or a call. */
export interface RequestClient extends Client, AuditSubject {
  readonly principal: RequestPrincipal
  /** The operation that is being answered, from when it is granted until the reply is sent. */
  answering: Operation | undefined
  /** The number of requests that have arrived. */
  requests: number
  /** Limits count an anonymous client by this key. */
  readonly addressKey: string
  readonly flow: Pick<MessageFlow, 'reply' | 'holdPushes'>
  /** Called for a frame that is no request. */
  onMalformed: (problem: string) => void
  /** Called for a frame that the rate limit refuses; `operation` is `undefined` when it names none. */
  onRateLimited: (operation: string | undefined) => void
  /** Logs a failure whose cause the client must not learn; `resource` as the audit names it. */
  logFailure: (error: unknown, operation: string, resource?: string) => void
}

/** The parts of a service that dispatch requests. */
export interface DispatchContext {
  readonly registry: OperationRegistry
  readonly authorizer: Authorizer
  /** `undefined` where there is no limit. */
  readonly limiter: RequestLimiter | undefined
  readonly requestMetrics: RequestMetrics
  readonly slowLog: SlowLog
  readonly server: ServerContext
  readonly refusals: RefusalRecorder
  readonly exposeErrorDetails: boolean
}

/** Returns `dispatch`, bound to the context of a service. */
export function dispatchWith (
  context: DispatchContext
): (text: string, client: RequestClient) => Promise<void> | undefined {
  return (text, client) => dispatch(text, client, context)
}

/**
 * Handles one frame: every request of every client passes here. Returns a promise when the reply takes time;
 * it never rejects. There is exactly one reply to a request, and none to a pong. PROTOCOL.md, "Request
 * pipeline".
 */
export function dispatch (
  text: string,
  client: RequestClient,
  context: DispatchContext
): Promise<void> | undefined {
  return dispatchDecoded(decode(text), client, context)
}

/** Handles one decoded message, as `dispatch` does. */
export function dispatchDecoded (
  decoded: Decoded, client: RequestClient, context: DispatchContext
): Promise<void> | undefined {
  switch (decoded.kind) {
    case 'pong': return undefined
    case 'ping': {
      client.flow.reply({ text: encodeResult(decoded.id, {}) })
      return undefined
    }
    case 'malformed': {
      client.onMalformed(decoded.error.message)
      const refusal = refusalOf(undefined, undefined, client, context) ?? decoded.error
      refuse(decoded.id, undefined, refusal, client, context)
      return undefined
    }
    case 'request': {
      const { request } = decoded
      client.requests++
      const operation = context.registry.find(request.type)
      const refusal = refusalOf(request, operation, client, context)
      if (refusal === undefined) return perform(request, operation, client, context)
      refuse(request.id, request.type, refusal, client, context)
      return undefined
    }
  }
}

/** Counts a frame against the rate limit; `request` is `undefined` for no request. Returns the refusal. */
function refusalOf (
  request: RequestMessage | undefined, operation: Operation | undefined, client: RequestClient,
  { limiter }: DispatchContext
): NoexServerError | undefined {
  if (limiter === undefined) return undefined
  const charges = request && (operation?.chargesOf?.(request) ?? request.type)
  const refusal = limiter.count(client.principal.session?.userId, client.addressKey, charges)
  if (refusal !== undefined) client.onRateLimited(operation?.name)
  return refusal
}

/** Answers a frame that is not handled. */
function refuse (
  id: number,
  type: string | undefined,
  error: NoexServerError,
  client: RequestClient,
  { registry, requestMetrics, refusals, exposeErrorDetails }: DispatchContext
): void {
  refusals.add(client, type ?? null, error)
  const text = encodeError(id, error, exposeErrorDetails)
  client.flow.reply({ text, failure: error })
  requestMetrics.ended(type === undefined ? undefined : registry.find(type)?.name, error.code, 0, text.length)
}

async function perform (
  request: RequestMessage, operation: Operation | undefined, client: RequestClient, context: DispatchContext
): Promise<void> {
  let reply: Reply | undefined
  let isAnswered = false
  try {
    const { trail, clock } = context.server
    const since = clock.ticks()
    const audit = trail && RequestAudit.begin(trail, operation, request, client, clock)
    let failure: NoexServerError | undefined
    let grant: Grant | undefined
    let data: unknown
    const userId = context.limiter && client.principal.session?.userId
    try {
      const reserved = audit?.reserve()
      if (reserved !== undefined) await reserved
      // Without an answer of the issuer, a client may still log out or log in anew.
      if (operation?.accessLevel !== 'everyone' && client.principal.isStale) await client.principal.confirm()
      grant = context.authorizer.authorize(client.principal, operation, request, audit?.note)
      grant.entry = audit
      if (operation === undefined) throw context.registry.unknown(request.type)
      client.answering = operation
      operation.guard?.(client)
      operation.validate(request)
      const operationContext = { server: context.server, client, grant }
      if (request['idempotencyKey'] === undefined) {
        data = await runDurably(operation, request, operationContext)
      } else {
        const outcome = await runOnce(operation, request, operationContext)
        data = outcome.data
        if (outcome.isRepeated) audit?.noteRepetition()
      }
      const revision = request['revision'] === true ? durableRevision(context) : undefined
      if (mayBeBig(data)) {
        reply = await answerBig(operation, encodeBigResult(request.id, data, revision), grant, client)
      } else {
        const { sent, unsent } = data instanceof EncodedJson ? data : noFollowUp
        reply = { text: encodeResult(request.id, data, revision), sent, unsent }
      }
      if (revision !== undefined) {
        reply = { ...reply, sent: () => { client.subscriptions.announce(revision) } }
      }
    } catch (error) {
      failure = failureOf(error, operation, request, client)
      logIncomplete(failure, client, context)
      if (failure instanceof NothingNamedError) {
        failure = await withSuggestion(failure, { operation, request }, client, context)
      }
      reply = { text: encodeFailure(failure, request, client, context), failure }
    }
    if (failure !== undefined) context.refusals.add(client, operation?.name ?? request.type, failure)
    if (grant !== undefined) context.limiter?.charge(userId, client.addressKey, grant.work.spent)
    const made = reply
    const settled = audit?.settled()
    if (settled !== undefined) await settled
    const released = audit?.end(failure?.message)
    isAnswered = true
    if (released === undefined) {
      client.flow.reply(made)
    } else {
      client.flow.reply(made, { released, instead: () => unaudited(made, request, context) })
    }
    countAnswer({ operation, request, data, reply: made, since }, released, client, context)
  } catch (error) {
    // A fault in this code: there is one reply nevertheless.
    client.logFailure(error, request.type)
    if (isAnswered) return
    reply?.unsent?.()
    reply?.answered?.()
    const failure = internalError()
    client.flow.reply({ text: encodeError(request.id, failure, false), failure })
  } finally {
    client.answering = undefined
  }
}

/** Returns the revision up to which all is durable: a change that has been carried out is in it. */
function durableRevision ({ server }: DispatchContext): number {
  return server.sharedStore.store.durability.durableRevision
}

/** Makes the reply of a result that may be big, and is encoded in slices. */
async function answerBig (
  operation: Operation, encoding: Promise<MessageText>, grant: Grant, client: RequestClient
): Promise<Reply> {
  if (operation.tier !== 'read') return await answerBehind(client.flow.holdPushes(), encoding)
  const text = await encoding
  // Rights may have changed while it was encoded.
  grant.assertStillAllowed()
  return { text }
}

/** Returns the reply to a change; the pushes that the change causes follow it. */
async function answerBehind (releasePushes: () => void, text: Promise<MessageText>): Promise<Reply> {
  try {
    return { text: await text, answered: releasePushes }
  } catch (error) {
    releasePushes()
    throw error
  }
}

const noFollowUp = { sent: undefined, unsent: undefined }

/** Returns the error that is sent instead of the reply when the audit entry is not durable in time. */
function unaudited (
  { failure, unsent }: Reply, request: RequestMessage, context: DispatchContext
): Pick<Reply, 'text' | 'failure'> {
  const error = failure === undefined && unsent === undefined ? appliedUnaudited() : auditUnavailable()
  return { text: encodeError(request.id, error, context.exposeErrorDetails), failure: error }
}

/** Logs a failure whose cause the client must not learn; `resource` as the audit names it. */
export function logFailure (log: Log, error: unknown, operation: string, resource?: string): void {
  // A failure of a function of the application is logged where it is called, and not for each request.
  const err = readableError(error)
  log[err instanceof CallbackError ? 'debug' : 'error']({ err, operation, resource }, 'operation failed')
}

/** Adds the nearest name to a failure that no such name exists. Never rejects: then nothing is added. */
async function withSuggestion (
  failure: NothingNamedError,
  asked: Pick<Asked, 'operation' | 'request'>,
  client: RequestClient,
  { registry, authorizer, server }: DispatchContext
): Promise<NoexServerError> {
  try {
    return await completeAnswer(failure, {
      ...asked,
      principal: client.principal,
      authorizer,
      registry,
      server
    })
  } catch (error) {
    client.logFailure(error, asked.request.type)
    return failure
  }
}

/** Returns the error that the client may see; logs any other. */
function failureOf (
  error: unknown, operation: Operation | undefined, request: RequestMessage, client: RequestClient
): NoexServerError {
  const known = toReplyError(error)
  if (known !== undefined) return known
  client.logFailure(error, request.type, operation?.resourceOf(request))
  return internalError()
}

/** Logs, once for each bucket, that it takes no writes until the application defines it. */
function logIncomplete (failure: NoexServerError, { log }: RequestClient, { server }: DispatchContext): void {
  const bucket = incompleteBucket(failure)
  if (bucket === undefined || server.sharedStore.incomplete.has(bucket)) return
  server.sharedStore.incomplete.add(bucket)
  const reason = 'definition_missing'
  log.error({ bucket, reason }, 'a bucket takes no writes: the application must define it')
}

/**
 * Encodes a failure. Never throws, although `details` of the application may be no JSON, or make promises,
 * which would end the process.
 */
function encodeFailure (
  failure: NoexServerError,
  request: RequestMessage,
  client: RequestClient,
  context: DispatchContext
): string {
  try {
    const plain = plainRefusal(request.type, failure)
    return encodeError(request.id, plain, context.exposeErrorDetails)
  } catch {
    client.logFailure(failure, request.type)
    return encodeError(request.id, internalError(), false)
  }
}
