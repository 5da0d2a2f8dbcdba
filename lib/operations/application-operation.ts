import type { Static, TObject, TSchema, TUnknown } from 'typebox'
import type { Tier } from '../permissions/policy.js'
import type { ApplicationOperation } from '../protocol/messages.js'
import type { AuthSession, Origin } from '../protocol/session.js'
import type { ApplicationStore } from '../store/application-store.js'
import type { Log } from '../util/log.js'
import { isPlainObject } from '../util/option-schema.js'

/** A thing that an operation reads or changes: permissions are asked for it. */
export interface OperationResource {
  readonly type: 'bucket' | 'query' | 'topic' | 'procedure' | 'server'
  /** Its name; of the server `*`. */
  readonly name: string
  /**
   * Whether single records of a bucket are read or changed. Then a permission with `where` can allow the
   * operation, and `context.store` is confined to those records of the bucket.
   * @default true for a bucket
   */
  readonly records?: boolean | undefined
}

/** The request that a handler answers, and what it may use for that. */
export interface HandlerContext<Input> {
  /** The members of the request that `input` declares, checked. */
  readonly input: Input
  /** The user who is logged in; `null` for an anonymous client. */
  readonly session: AuthSession | null
  /** Where the request comes from: address, connection, headers. */
  readonly origin: Origin
  /**
   * The application's store, with all its rights. Writes name the user of the request, and are refused once
   * the request is over, or its user may not make it any more.
   */
  readonly store: ApplicationStore
  /** The logger of the connection, with the name of the operation. */
  readonly log: Log
  /** Aborted when the time of the request is over, or its connection has ended. */
  readonly signal: AbortSignal
  /**
   * Runs another operation with the rights of the client, as a request of it, and resolves with the data of
   * the reply.
   * @throws {NoexServerError} the refusal
   */
  readonly call: <Reply = any>(
    operation: string, fields?: Readonly<Record<string, unknown>>
  ) => Promise<Reply>
}

/** An operation of the application, as the option `operations` takes it. */
export interface OperationDefinition<
  Name extends string, Input extends TObject, Output extends TSchema, Result
> {
  /**
   * Its name: `<namespace>.<name>`, each of letters, digits and `_`. The namespace is none of the server's.
   */
  readonly name: Name
  /**
   * The shape of a request, from `Type.Object({ … })`. Members of a request that it does not declare are
   * left out, or refused with `additionalProperties: false`.
   * @default no members
   */
  readonly input?: Input
  /**
   * The shape of the result, for clients and their types. A result of another shape is an error.
   * @default not checked
   */
  readonly output?: Output
  /**
   * How far it reaches: `read`, `write` or `admin`. The roles `reader`, `writer` and `admin` may call what
   * reaches no farther than their names say. What is not `read` takes an idempotency key.
   * @default 'write'
   */
  readonly tier?: Tier
  /**
   * The things that a request uses, all of which the client must be allowed to. A function gets the input,
   * and answers at once.
   * @default the server as a whole
   */
  readonly resources?:
    readonly OperationResource[] | ((input: Static<Input>) => readonly OperationResource[])
  /**
   * Members of the input that the audit records, where they are texts, numbers, booleans or lists of texts.
   * @default none
   */
  readonly audit?: ReadonlyArray<keyof Static<Input> & string>
  /**
   * Members of the input that are secret, such as passwords: no digest is made of them.
   * @default none
   */
  readonly secrets?: ReadonlyArray<keyof Static<Input> & string>
  /**
   * Answers a request, with a value that JSON can hold. A `NoexServerError` that it throws, and an error of
   * the store, is sent to the client; any other is logged and answered with `INTERNAL_ERROR`.
   */
  readonly handler: (context: HandlerContext<Static<Input>>) => Result | Promise<Result>
}

/**
 * Defines an operation of the application for the option `operations`. Its type has its name, input and
 * result, from which those of clients are made.
 * @example
 * const placeOrder = operation({
 *   name: 'shop.placeOrder',
 *   input: Type.Object({ sku: Type.String(), quantity: Type.Integer({ minimum: 1 }) }),
 *   handler: async ({ input, store }) => await store.bucket('orders').insert(input)
 * })
 */
export function operation<
  const Name extends string,
  Input extends TObject = TObject<Record<never, never>>,
  Output extends TSchema = TUnknown,
  Result extends Static<Output> = Static<Output>
> (
  definition: OperationDefinition<Name, Input, Output, Result>
): ApplicationOperation<Name, Static<Input>, TUnknown extends Output ? Awaited<Result> : Static<Output>> {
  // Anything else is refused when the server starts, with its place in the option `operations`.
  return isPlainObject(definition) ? Object.freeze({ ...definition }) : definition
}
