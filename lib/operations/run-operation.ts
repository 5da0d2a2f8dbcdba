import { EncodedJson } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Client, OperationContext } from './context.js'
import type { Operation } from './operation.js'

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
