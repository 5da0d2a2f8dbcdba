import { EncodedJson } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'
import { isTakenBack } from '../store/noex-store.js'
import type { Client, OperationContext } from './context.js'
import type { Operation } from './operation.js'

/** Times that a read is made whose state was taken back before it could be shown. */
const MAX_READS = 3

/**
 * Runs the operation of a request, and settles when everything that its outcome shows is durable. A read of a
 * state that was taken back is made again; any other operation rejects.
 * @throws what the operation throws, and `StoreUnavailableError`
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
      // A refusal shows the state that it is for.
      outcome = { error }
    }
    try {
      const pending = endRead()
      if (pending !== undefined) await pending
    } catch (error) {
      if (operation.tier !== 'read' || read === MAX_READS || !isTakenBack(error)) throw error
      continue
    }
    if ('error' in outcome) throw outcome.error
    return outcome.data
  }
}

/**
 * Whether an operation has waited itself for what it shows: a write for its commit, a live query for its
 * result.
 */
function waitsByItself ({ tier, usesStore }: Operation, data: unknown): boolean {
  return (tier === 'write' && usesStore) || (data instanceof EncodedJson && data.sent !== undefined)
}

/**
 * Runs an operation that has been granted: for a request, or for a step of a procedure. While it writes,
 * `client.writing` is the promise that is waited for before rights are taken away from the client.
 */
export async function runOperation (
  operation: Operation, request: RequestMessage, context: OperationContext
): Promise<unknown> {
  if (operation.tier === 'write' && operation.usesStore) {
    return await written(context.client, operation.run(context, request))
  }
  const data = await operation.run(context, request)
  if (operation.tier !== 'read') return data
  // A result that the client may not see any more is not sent; a subscription has asked by itself.
  if (!(data instanceof EncodedJson) || data.sent === undefined) context.grant.assertStillAllowed()
  return data
}

/** Runs `work`, which writes, and keeps it as the write of the client until it is done. */
export async function writeFor<T> (client: Pick<Client, 'writing'>, work: () => Promise<T>): Promise<T> {
  return await written(client, work())
}

async function written<T> (client: Pick<Client, 'writing'>, writing: Promise<T>): Promise<T> {
  client.writing = writing
  try {
    return await writing
  } finally {
    // A later write may have begun; this one is waited for no more.
    if (client.writing === writing) client.writing = undefined
  }
}
