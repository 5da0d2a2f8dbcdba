import { ignoreRejection } from '../application/thenable.js'
import { EncodedJson } from '../protocol/encode.js'
import { shownSession } from '../protocol/session.js'
import { AttributedStore } from '../store/attributed-store.js'
import { placedError } from '../store/store-errors.js'
import { didYouMean, nearestNames, quoted } from '../util/nearest.js'
import type { HandlerContext } from './application-operation.js'
import type { Operation, OperationContext, OperationTable, OuterCall, OwnOperation } from './context.js'
import { runOperation, writeFor } from './run-operation.js'
import { authorizeStep, contextOf, type StepCall } from './step-requests.js'

/**
 * Operations of the application that call each other, one within the other.
 * @limit `INTERNAL_ERROR`
 */
const MAX_DEPTH = 8

type Members = Readonly<Record<string, unknown>>

/** One request that a handler of the application answers, from its beginning to its end. */
export class HandledRequest {
  readonly #operation: string
  readonly #input: Members
  readonly #context: OperationContext
  readonly #outer: OuterCall | undefined
  /** The grants of other operations that have read something for it, those of calls within calls included. */
  readonly #read: OuterCall['read']
  #controller: AbortController | undefined
  #isOver = false

  /** `outer` is the call of another operation of the application that it is a part of. */
  constructor (operation: string, input: Members, context: OperationContext, outer: OuterCall | undefined) {
    this.#operation = operation
    this.#input = input
    this.#context = context
    this.#outer = outer
    this.#read = outer?.read ?? []
  }

  /** The context of the handler. What a handler seldom needs is made when it is read. */
  get context (): HandlerContext<unknown> {
    const { client, grant } = this.#context
    const { session } = grant.principal
    const store = AttributedStore.of(this.#context.server.sharedStore.store, {
      user: grant.user,
      note: grant.note,
      get presence () { return grant.presence },
      rows: bucket => grant.rows(this.#operation, bucket),
      work: { take: units => { grant.work.add(units) } },
      assertStillAllowed: () => { this.#assertStillAllowed() },
      writeFor: async work => await writeFor(client, work)
    })
    const operation = this.#operation
    const signalOf = (): AbortSignal => this.#signal
    return {
      input: this.#input,
      session: session === undefined ? null : shownSession(session),
      origin: client.origin,
      store,
      get log () { return client.log.child({ operation }) },
      get signal () { return signalOf() },
      call: (name, fields = {}) => {
        const calling = this.#call(name, fields)
        // Where the handler does not await it, its rejection must not end the process.
        ignoreRejection(calling)
        return calling as Promise<any>
      }
    }
  }

  /** @throws `UNAUTHORIZED` or `FORBIDDEN` unless the client may still see what has been read */
  assertMayShow (): void {
    this.#context.grant.assertStillAllowed()
    for (const grant of this.#read) grant.assertStillAllowed()
  }

  /** Ends the request: what its handler still does is aborted and refused. */
  end (): void {
    this.#isOver = true
    if (this.#controller === undefined) return
    this.#parentSignal.removeEventListener('abort', this.#abort)
    this.#abort()
  }

  get #parentSignal (): AbortSignal {
    return this.#outer?.signal ?? this.#context.client.ended
  }

  get #signal (): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isOver || this.#parentSignal.aborted) this.#abort()
      else this.#parentSignal.addEventListener('abort', this.#abort)
    }
    return this.#controller.signal
  }

  readonly #abort = (): void => {
    this.#controller?.abort(new Error(`the request of ${this.#operation} is over`))
  }

  #assertStillAllowed (): void {
    if (this.#isOver) throw new Error(`${this.#operation} does something after its request is over`)
    this.#context.grant.assertStillAllowed()
  }

  async #call (name: string, fields: Members): Promise<unknown> {
    this.#assertStillAllowed()
    const operation = callable(this.#context.server.operations, name)
    const depth = (this.#outer?.depth ?? 0) + 1
    if (isOwn(operation) && depth > MAX_DEPTH) {
      throw new Error(`${name} is called within ${MAX_DEPTH} operations that call each other`)
    }
    if (typeof fields !== 'object' || fields === null) {
      throw new TypeError('the fields of a call are an object')
    }
    if (fields['idempotencyKey'] !== undefined) {
      throw new Error(`the call of ${name} takes no idempotencyKey: it is a part of its request`)
    }
    try {
      return await this.#perform(operation, fields, depth)
    } catch (error) {
      throw placedError(name, error) ?? error
    }
  }

  async #perform (operation: Operation, fields: Members, depth: number): Promise<unknown> {
    const call = this.#stepCall(operation)
    const { request, grant } = authorizeStep(call, operation.name, fields)
    const context = contextOf(call, grant)
    const { idempotency } = call
    const result = isOwn(operation)
      ? await operation.runWithin(context, request, {
        depth, signal: this.#signal, read: this.#read, idempotency
      })
      : await runOperation(operation, request, context)
    if (operation.tier === 'read') this.#read.push(grant)
    return result instanceof EncodedJson ? JSON.parse(String(result.json)) : result ?? null
  }

  #stepCall (operation: Operation): StepCall {
    const { server, client, grant } = this.#context
    const { user, note, presence, work, maxChanges, principal } = grant
    return {
      server,
      client,
      find: () => operation,
      authorizer: server.authorizer,
      principal,
      user,
      note,
      presence,
      work,
      maxChanges,
      idempotency: this.#outer?.idempotency ?? grant.idempotency,
      assertStillAllowed: () => { this.#assertStillAllowed() }
    }
  }
}

function isOwn (operation: Operation): operation is OwnOperation {
  return 'runWithin' in operation
}

/**
 * Returns an operation that a handler may call.
 * @throws for one that does not exist, or concerns the connection of the client
 */
function callable (operations: OperationTable, name: string): Operation {
  const operation = operations.find(name)
  if (operation === undefined) {
    const [near] = nearestNames(String(name), [...operations.values()].map(({ name }) => name))
    throw new Error(`there is no operation ${quoted(String(name))} to call${didYouMean(near)}`)
  }
  const { accessLevel, guard } = operation
  if (accessLevel === 'everyone' || accessLevel === 'session' || guard !== undefined) {
    throw new Error(`${name} cannot be called: it concerns the connection of the client`)
  }
  return operation
}
