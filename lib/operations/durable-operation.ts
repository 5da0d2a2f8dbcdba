import { EncodedJson } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'
import { isTakenBack } from '../store/noex-store.js'
import type { OperationContext } from './context.js'
import type { Operation } from './operation.js'
import { runOperation } from './run-operation.js'

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
