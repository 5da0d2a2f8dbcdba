import type { Authorizer } from '../permissions/authorizer.js'
import type { Grant } from '../permissions/grant.js'
import type { Principal } from '../permissions/principal.js'
import { invalid } from '../protocol/errors.js'
import { checkJson } from '../protocol/decode.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Cause } from '../store/row-scope.js'
import type { Work } from '../store/work.js'
import type { Client, Operation, OperationContext, ServerContext } from './context.js'
import { runOperation } from './run-operation.js'

/**
 * One call of a procedure, or of an operation of the application, by `user`: its steps are other operations,
 * and may have the rights of another user.
 */
export interface StepCall extends Cause {
  readonly server: ServerContext
  readonly client: Client
  readonly find: (operation: string) => Operation
  /** Decides about the steps, on behalf of `principal`. */
  readonly authorizer: Authorizer
  readonly principal: Principal
  /** Counts the work of all steps. */
  readonly work: Work
  /** Records that one step may change, or all steps of a transaction together. */
  readonly maxChanges: number
  /** The call as its one commit remembers it, and the rights of its steps; `undefined` without a key. */
  readonly idempotency: Grant['idempotency']
  /** @throws when the time is over, or the client may not make the call any more */
  readonly assertStillAllowed: () => void
}

/** The request of a step, with its grant. */
export interface StepRequest {
  readonly operation: Operation
  readonly request: RequestMessage
  readonly grant: Grant
}

/** Runs each step like a request of the client: with the same checks, one after the other. */
export class DirectRequests {
  readonly #call: StepCall
  readonly #read: Grant[] = []

  constructor (call: StepCall) {
    this.#call = call
  }

  async perform (name: string, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { operation, request, grant } = authorizeStep(this.#call, name, fields)
    const result = await runOperation(operation, request, contextOf(this.#call, grant))
    if (operation.tier === 'read') this.#read.push(grant)
    return result ?? null
  }

  /** @throws unless the principal may still read everything that has been read */
  ensureReadable (): void {
    for (const grant of this.#read) grant.assertStillAllowed()
  }
}

/** Returns the context in which a granted step runs. */
export function contextOf ({ server, client }: StepCall, grant: Grant): OperationContext {
  return { server, client, grant }
}

/**
 * Authorizes a step as a request of its operation; `ask` replaces the authorization of that request. The
 * caller has checked that the call may go on.
 */
export function authorizeStep (
  call: StepCall, name: string, fields: Readonly<Record<string, unknown>>, ask?: () => Grant
): StepRequest {
  const operation = call.find(name)
  const request: RequestMessage = { ...fields, id: 0, type: name }
  const problem = checkJson(request)
  if (problem !== undefined) throw invalid(name, problem)
  const grant = ask === undefined ? authorizeFor(call, operation, request) : ask()
  operation.validate(request)
  return { operation, request, grant }
}

/** Authorizes a request of a step. */
export function authorizeFor (call: StepCall, operation: Operation, request: RequestMessage): Grant {
  const grant = call.authorizer.authorize(call.principal, operation, request)
  call.idempotency?.asked.add(operation, request, grant.rights)
  return withCallChecks(grant, call)
}

/** Returns a grant that also asserts that the call may go on, and counts the work of the call. */
function withCallChecks (
  grant: Grant, { assertStillAllowed, work, user, note, presence }: StepCall
): Grant {
  return {
    principal: grant.principal,
    user,
    note,
    presence,
    work,
    maxChanges: grant.maxChanges,
    get rights () { return grant.rights },
    rows: (operation, bucket) => grant.rows(operation, bucket),
    scope: query => grant.scope(query),
    assertStillAllowed () {
      assertStillAllowed()
      grant.assertStillAllowed()
    }
  }
}
