import type { Caller } from '../permissions/authorizer.js'
import type { Grant } from '../permissions/grant.js'
import { EncodedJson } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Operation, ServerContext } from './operation.js'

/**
 * Runs what a client has been let in for: a request, or a step of a procedure. While it writes,
 * `caller.writing` is what is waited for before rights are taken away from the client.
 */
export async function runOperation (
  operation: Operation, request: RequestMessage, grant: Grant, caller: Pick<Caller, 'writing'>,
  services: ServerContext
): Promise<unknown> {
  if (operation.tier === 'write' && operation.usesStore) {
    return await written(caller, operation.run(services, request, grant))
  }
  const data = await operation.run(services, request, grant)
  if (operation.tier !== 'read') return data
  // What was read for a client that may not see it any more is not sent; a subscription has asked by itself.
  if (!(data instanceof EncodedJson) || data.sent === undefined) grant.assertStillAllowed()
  return data
}

/** Runs `work`, which writes, and notes it as the write of the client until it is done. */
export async function writeFor<T> (
  caller: Pick<Caller, 'writing'>, work: () => Promise<T>
): Promise<T> {
  return await written(caller, work())
}

async function written<T> (caller: Pick<Caller, 'writing'>, writing: Promise<T>): Promise<T> {
  caller.writing = writing
  try {
    return await writing
  } finally {
    // A later write may have begun; this one is waited for no more.
    if (caller.writing === writing) caller.writing = undefined
  }
}
