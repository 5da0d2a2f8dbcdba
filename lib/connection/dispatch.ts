import { NoexServerError, toReplyError } from '../errors.js'
import { operationFor } from '../operations/index.js'
import type { Client, Operation, Services } from '../operations/operation.js'
import { decode } from '../protocol/decode.js'
import { EncodedJson, encodeError, encodeResult } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'

/** A client to which replies can be sent. */
export interface Caller extends Client {
  /** Sends a reply; `sent` is called when it is in the outbox. */
  reply: (text: string, sent?: () => void) => void
  /** The operation failed for a reason that the client must not learn. */
  logFailure: (error: unknown, operation: string) => void
}

export interface DispatchOptions {
  readonly exposeErrorDetails: boolean
}

/**
 * Handles one frame: every request of every client passes here. Returns a promise when the reply takes time;
 * it never rejects. There is exactly one reply to a request, and none to a pong. PROTOCOL.md, "Request pipeline".
 */
export function dispatch (text: string, caller: Caller, services: Services, options: DispatchOptions): Promise<void> | undefined {
  const decoded = decode(text)
  switch (decoded.kind) {
    case 'pong': return undefined
    case 'malformed':
      caller.reply(encodeError(decoded.id, decoded.error, options.exposeErrorDetails))
      return undefined
    case 'request': return perform(decoded.request, caller, services, options)
  }
}

async function perform (request: RequestMessage, caller: Caller, services: Services, options: DispatchOptions): Promise<void> {
  let reply: string
  let sent: (() => void) | undefined
  try {
    const operation = operationFor(request.type)
    operation.guard?.(caller)
    operation.validate(request)
    const data = await run(operation, request, caller, services)
    reply = encodeResult(request.id, data)
    if (data instanceof EncodedJson) sent = data.sent
  } catch (error) {
    reply = encodeFailure(error, request, caller, options)
  }
  caller.reply(reply, sent)
}

/** Schema changes look after themselves; everything else stays out of their way. */
function run (operation: Operation, request: RequestMessage, caller: Caller, services: Services): Promise<unknown> {
  const { gate } = services.access
  if (operation.tier === 'write') return gate.write(() => operation.run(services, request, caller))
  if (operation.tier === 'read' && gate.closed) return gate.opened().then(() => operation.run(services, request, caller))
  return operation.run(services, request, caller)
}

/** Never throws, though `details` may come from anywhere and hold what JSON cannot. */
function encodeFailure (error: unknown, request: RequestMessage, caller: Caller, options: DispatchOptions): string {
  const known = toReplyError(error)
  if (known !== undefined) {
    try {
      return encodeError(request.id, known, options.exposeErrorDetails)
    } catch {}
  }
  caller.logFailure(error, request.type)
  return encodeError(request.id, new NoexServerError('INTERNAL_ERROR', 'The operation failed inside the server'), false)
}
