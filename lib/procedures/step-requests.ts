import type { Authorizer } from '../permissions/authorizer.js'
import type { Grant } from '../permissions/grant.js'
import type { Principal } from '../permissions/principal.js'
import { invalid } from '../protocol/errors.js'
import type { Client, OperationContext, ServerContext } from '../operations/context.js'
import type { Operation } from '../operations/operation.js'
import { runOperation } from '../operations/run-operation.js'
import { checkJson } from '../protocol/decode.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { Cause } from '../store/row-scope.js'
import type { Work } from '../store/work.js'
import type { Deadline } from './deadline.js'

/** One call of a procedure, by `user`; the steps may have the rights of another user. */
export interface Call extends Cause {
  readonly server: ServerContext
  readonly client: Client
  readonly find: (operation: string) => Operation
  /** Decides about the steps, on behalf of `principal`. */
  readonly authorizer: Authorizer
  readonly principal: Principal
  readonly deadline: Deadline
  /** Counts the work of all steps. */
  readonly work: Work
  /** Records that one step may change, or all steps of a transaction together. */
  readonly maxChanges: number
  /** The call as its one commit remembers it, and the rights of its steps; `undefined` without a key. */
  readonly idempotency: Grant['idempotency']
  /** @throws when the time is over, or the client may not call the procedure any more */
  readonly assertStillAllowed: () => void
}

/** The request of a step, with its grant. */
export interface StepRequest {
  readonly operation: Operation
  readonly request: RequestMessage
  readonly grant: Grant
}

/** Runs the requests of the steps of a procedure. */
export interface StepRequests {
  /** Returns the result of the operation, `undefined` as null, or a promise of it where that takes time. */
  readonly perform: (operation: string, fields: Readonly<Record<string, unknown>>, path: string) => unknown
}

/** Runs each step like a request of the client: with the same checks, one after the other. */
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

  /** @throws unless the principal may still read everything that has been read */
  ensureReadable (): void {
    for (const grant of this.#read) grant.assertStillAllowed()
  }
}

/** Returns the context in which a granted step runs. */
export function contextOf ({ server, client }: Call, grant: Grant): OperationContext {
  return { server, client, grant }
}

/**
 * Authorizes a step as a request of its operation; `ask` replaces the authorization of that request. The
 * caller has checked that the call may go on.
 */
export function authorizeStep (
  call: Call, name: string, fields: Readonly<Record<string, unknown>>, ask?: () => Grant
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
export function authorizeFor (call: Call, operation: Operation, request: RequestMessage): Grant {
  const grant = call.authorizer.authorize(call.principal, operation, request)
  call.idempotency?.asked.add(operation, request, grant.rights)
  return withCallChecks(grant, call)
}

/** Returns a grant that also asserts that the call may go on, and counts the work of the call. */
function withCallChecks (
  grant: Grant, { assertStillAllowed, work, user, note, presence }: Call
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
