import type { Caller } from '../access/gate.js'
import type { Grant } from '../access/grant.js'
import { EncodedJson } from '../protocol/encode.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Operation, Services } from './operation.js'

/**
 * Runs what a client has been let in for: a request, or a step of a procedure. Schema changes look after themselves;
 * everything else stays out of their way. Whatever has waited asks again whether it may.
 */
export async function runOperation (operation: Operation, request: RequestMessage, grant: Grant, caller: Pick<Caller, 'writing'>, services: Services): Promise<unknown> {
  const { gate } = services.access
  if (operation.tier === 'write' && operation.usesStore) {
    return await writeFor(caller, services, async () => {
      grant.ensure()
      return await operation.run(services, request, grant)
    })
  }
  if (operation.tier !== 'read') return await operation.run(services, request, grant)
  if (gate.closed && operation.usesStore) {
    await gate.opened()
    grant.ensure()
  }
  const data = await operation.run(services, request, grant)
  // What was read for somebody who may not see it any more is not sent; a subscription has asked by itself.
  if (!(data instanceof EncodedJson) || data.sent === undefined) grant.ensure()
  return data
}

/** Runs `work`, which writes, while no schema change is running, and tells whoever takes rights away from the client to wait for it. */
export async function writeFor<T> (caller: Pick<Caller, 'writing'>, { access }: Pick<Services, 'access'>, work: () => Promise<T>): Promise<T> {
  const writing = access.gate.write(work)
  caller.writing = writing
  try {
    return await writing
  } finally {
    // A later write may have begun: nobody may be waiting for this one any more.
    if (caller.writing === writing) caller.writing = undefined
  }
}
