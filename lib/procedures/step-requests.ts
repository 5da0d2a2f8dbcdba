import type { Authorizer } from '../permissions/authorizer.js'
import type { Grant } from '../permissions/grant.js'
import type { Principal } from '../permissions/principal.js'
import { invalid } from '../protocol/errors.js'
import type { Client, OperationContext, ServerContext } from '../operations/context.js'
import type { Operation } from '../operations/operation.js'
import { runOperation } from '../operations/run-operation.js'
import { checkJson } from '../protocol/json-guard.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Cause } from '../store/row-scope.js'
import type { Work } from '../store/work.js'
import type { Deadline } from './deadline.js'

/** One call of a procedure, as its steps see it. `user` has called it; the rights may be those of another. */
export interface Call extends Cause {
  readonly server: ServerContext
  readonly client: Client
  readonly find: (operation: string) => Operation
  /** Decides about the steps, on behalf of `principal`. */
  readonly authorizer: Authorizer
  readonly principal: Principal
  readonly deadline: Deadline
  /** What all steps together take. */
  readonly work: Work
  /** Records that one step may change, or all of a transaction. */
  readonly maxChanges: number
  /**
   * @throws when the call must not go on: its time is over, or the client may not call the procedure any more
   */
  readonly assertStillAllowed: () => void
}

/** A request that a step makes, let in. */
export interface StepRequest {
  readonly operation: Operation
  readonly request: RequestMessage
  readonly grant: Grant
}

/** Does what the steps of a procedure ask for. */
export interface StepRequests {
  /** Returns the result of the operation, `undefined` as null, or resolves with it where that takes time. */
  readonly perform: (operation: string, fields: Readonly<Record<string, unknown>>, path: string) => unknown
}

/** Does each step as if the client had sent it as a request: with the same checks, one after the other. */
export class DirectRequests implements StepRequests {
  readonly #call: Call
  readonly #read: Grant[] = []

  constructor (call: Call) {
    this.#call = call
  }

  async perform (name: string, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { operation, request, grant } = authorizeStep(this.#call, name, fields)
    const result = await runOperation(operation, request, contextOf(this.#call, grant))
    if (operation.tier === 'read') this.#read.push(grant)
    return result ?? null
  }

  /** @throws unless the client may still see everything that has been read for it */
  ensureReadable (): void {
    for (const grant of this.#read) grant.assertStillAllowed()
  }
}

/** Returns the context in which a step runs that has been granted. */
export function contextOf ({ server, client }: Call, grant: Grant): OperationContext {
  return { server, client, grant }
}

/**
 * Authorizes a step as a request of its operation; that the call may go on was checked just before. `ask`
 * asks for another right than that to the request.
 */
export function authorizeStep (
  call: Call, name: string, fields: Readonly<Record<string, unknown>>, ask?: () => Grant
): StepRequest {
  const operation = call.find(name)
  const request: RequestMessage = { ...fields, id: 0, type: name }
  const problem = checkJson(request)
  if (problem !== undefined) throw invalid(name, problem)
  const grant =
    ask === undefined
      ? withCallChecks(call.authorizer.authorize(call.principal, operation, request), call)
      : ask()
  operation.validate(request)
  return { operation, request, grant }
}

/**
 * The same grant, which asks for more before anything is written or told, and counts the work as the call's.
 */
export function withCallChecks (grant: Grant, { assertStillAllowed, work, user, note }: Call): Grant {
  return {
    principal: grant.principal,
    user,
    note,
    work,
    maxChanges: grant.maxChanges,
    rows: (operation, bucket) => grant.rows(operation, bucket),
    scope: query => grant.scope(query),
    assertStillAllowed () {
      assertStillAllowed()
      grant.assertStillAllowed()
    }
  }
}
