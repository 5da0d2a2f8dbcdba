import type { Query, StoreSchema } from '@hamicek/noex-store/types'
import type { ApplicationOperation } from '../protocol/messages.js'
import type { WireResult } from './wire-types.js'

/** The parameters and the result of a query, and the input and the result of a procedure. */
interface QueryTypes {
  readonly params?: unknown
  readonly result: unknown
}

interface ProcedureTypes {
  readonly input?: object
  readonly result?: unknown
}

type Queries = Readonly<Record<string, Query | QueryTypes>>
type Procedures = Readonly<Record<string, ProcedureTypes>>

/** The parts of a schema that has more than buckets. */
interface SchemaParts {
  readonly buckets?: StoreSchema
  /** Results of `store.defineQuery` and `store.defineDeclarativeQuery`, by the names of the queries. */
  readonly queries?: Queries
  readonly procedures?: Procedures
}

/**
 * The type of a schema of `defineSchema`, or an object type with such a one as `buckets`, and with `queries`
 * and `procedures`.
 */
export type ClientSchema = StoreSchema | SchemaParts

/** The buckets of a schema. */
export type BucketsOf<T extends ClientSchema> =
  T extends StoreSchema ? T : T extends { readonly buckets: infer B extends StoreSchema } ? B : NoMembers

/** The queries of a schema; any, where it has none. */
export type QueriesOf<T extends ClientSchema> =
  T extends StoreSchema ? AnyNames : T extends { readonly queries: infer Q extends Queries } ? Q : AnyNames

/** The procedures of a schema; any, where it has none. */
export type ProceduresOf<T extends ClientSchema> =
  T extends StoreSchema
    ? AnyNames
    : T extends { readonly procedures: infer P extends Procedures } ? P : AnyNames

/** Names of which nothing is known. */
type AnyNames = Readonly<Record<string, any>>
export type NoMembers = Readonly<Record<never, never>>

/** The operations of an application that has none. */
export type NoOperations = NoMembers

/** The parameters of a query: `void` for one without, `any` for one of which nothing is known. */
export type QueryParams<Q> =
  0 extends 1 & Q ? any
    : Q extends Query<infer P> ? P : Q extends { readonly params: infer P } ? P : void

/** The result of a query, as the server sends it. */
export type QueryResult<Q> =
  0 extends 1 & Q ? unknown
    : Q extends Query<any, infer R> ? WireResult<R> : Q extends { readonly result: infer R } ? R : unknown

/** The members of `procedures.call` beside the name. */
export type ProcedureInput<P> =
  0 extends 1 & P ? { readonly input?: object }
    : P extends { readonly input: infer I }
      ? NoMembers extends I ? { readonly input?: I } : { readonly input: I }
      : { readonly input?: NoMembers }

/** The reply of `procedures.call`. */
export interface ProcedureReply<P> {
  readonly success: true
  /** Value of the step `return`, where the procedure has come to one. */
  readonly result?: P extends { readonly result: infer R } ? R : any
  /** Results of the steps, by name. */
  readonly results: Readonly<Record<string, any>>
}

/**
 * The operations of the application by name, each with `input` and `output`. `A` is the type of an array of
 * those that the server's `operation` returns, or is such an object type itself.
 */
export type CallsOf<A> =
  unknown extends A ? AnyCalls
    : A extends readonly ApplicationOperation[]
      ? { [O in A[number] as O['name']]: CallOf<O> }
      : A

type AnyCalls =
  Readonly<Record<string, { readonly input: Readonly<Record<string, unknown>>, readonly output: any }>>

type CallOf<O> =
  O extends ApplicationOperation<string, infer I, infer R>
    ? { readonly input: I, readonly output: WireResult<R> }
    : never
