import { EncodedJson } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'
import { isTakenBack } from '../store/noex-store.js'
import type { Client, OperationContext } from './context.js'
import type { Operation } from './operation.js'

/** The number of times that a read runs whose state is taken back before it is durable. */
const MAX_READS = 3

/**
 * Runs the operation of a request, and settles when the state that its outcome shows is durable. A read of a
 * state that was taken back runs again; any other operation rejects. What an operation has changed itself is
 * durable when it resolves: no loss of other changes makes it a failure.
 * @throws the error of the operation, or `StoreUnavailableError`
 */
export async function runDurably (
  operation: Operation, request: RequestMessage, context: OperationContext
): Promise<unknown> {
  const { store } = context.server.sharedStore
  for (let read = 1; ; read++) {
    const endRead = store.beginRead()
    let outcome: { readonly data: unknown } | { readonly error: unknown }
    try {
      const data = await runOperation(operation, request, context)
      if (waitsByItself(operation, data)) return data
      outcome = { data }
    } catch (error) {
      // A refusal reveals the state that it is for, as a result does.
      outcome = { error }
    }
    try {
      const pending = endRead()
      if (pending !== undefined) await pending
    } catch (error) {
      // Its own error says more of a write that was taken back.
      const told = 'error' in outcome && isTakenBack(outcome.error) ? outcome.error : error
      if (operation.tier !== 'read' || read === MAX_READS || !isTakenBack(error)) throw told
      continue
    }
    if ('error' in outcome) throw outcome.error
    return outcome.data
  }
}

/** Whether the operation itself has waited until the state is durable: a change, or a new live query. */
function waitsByItself ({ isChange }: Operation, data: unknown): boolean {
  return isChange || (data instanceof EncodedJson && data.sent !== undefined)
}

/**
 * Runs an operation that has been granted: for a request, or for a step of a procedure. While it writes,
 * `client.writing` is the promise that a change of the client's rights waits for.
 */
export async function runOperation (
  operation: Operation, request: RequestMessage, context: OperationContext
): Promise<unknown> {
  if (operation.tier === 'write' && operation.usesStore) {
    return await written(context.client, operation.run(context, request))
  }
  const data = await operation.run(context, request)
  if (operation.tier !== 'read') return data
  // The client must still be allowed to see the result; a subscription has checked that itself.
  if (!(data instanceof EncodedJson) || data.sent === undefined) context.grant.assertStillAllowed()
  return data
}

/** Runs `work`, which writes, as the write of the client. */
export async function writeFor<T> (client: Pick<Client, 'writing'>, work: () => Promise<T>): Promise<T> {
  return await written(client, work())
}

async function written<T> (client: Pick<Client, 'writing'>, writing: Promise<T>): Promise<T> {
  client.writing = writing
  try {
    return await writing
  } finally {
    // A later write may have replaced this one.
    if (client.writing === writing) client.writing = undefined
  }
}
