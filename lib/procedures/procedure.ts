import type { Computation } from './compute.js'
import type { SizeBudget } from './size-budget.js'
import type { Variables } from './reference.js'

/** The declaration of a member of the input. */
export interface InputField {
  type: 'string' | 'number' | 'boolean' | 'object' | 'array'
  /** @default true */
  required?: boolean | undefined
  /** Replaces an absent member, or `null`. */
  default?: unknown
}

/** The condition of an `if` step; `ref` is a path without braces. */
export interface Condition {
  ref: string
  operator: 'eq' | 'neq' | 'gt' | 'gte' | 'lt' | 'lte' | 'exists' | 'not_exists'
  value?: unknown
}

/** A number, or a text that is one placeholder. */
type Operand = number | string

type JsonObject = Readonly<Record<string, unknown>>

/** The `_version` that the record must have, or a reference to it; one without a value is refused. */
type ExpectedVersion = number | string | undefined

/** The greatest number of records, or a reference to it. */
type Limit = number | string | undefined

/** One step of a procedure. PROTOCOL.md, "Steps". */
export type ProcedureStep =
  | { action: 'store.get', bucket: string, key: string, as: string }
  | { action: 'store.where', bucket: string, filter: JsonObject, limit?: Limit, as: string }
  | { action: 'store.findOne', bucket: string, filter: JsonObject, as: string }
  | { action: 'store.insert', bucket: string, data: JsonObject, as?: string | undefined }
  | {
    action: 'store.update'
    bucket: string
    key: string
    data: JsonObject
    expectedVersion?: ExpectedVersion
    as?: string | undefined
  }
  | IncrementStep
  | { action: 'store.delete', bucket: string, key: string, expectedVersion?: ExpectedVersion }
  | { action: 'store.count', bucket: string, filter?: JsonObject | undefined, as: string }
  | {
    action: 'aggregate'
    source: string
    op: 'sum' | 'avg' | 'min' | 'max' | 'count'
    field?: string | undefined
    as: string
  }
  | { action: 'compute', op: Computation, left: Operand, right?: Operand | undefined, as: string }
  | { action: 'rules.emit', topic: string, data?: JsonObject | undefined }
  | { action: 'rules.setFact', key: string, value: unknown }
  | { action: 'rules.getFact', key: string, as: string }
  | {
    action: 'if'
    condition: Condition
    then: readonly ProcedureStep[]
    else?: readonly ProcedureStep[] | undefined
  }
  | {
    action: 'transform'
    source: string
    operation: 'map' | 'filter' | 'pick' | 'pluck'
    args: unknown
    as: string
  }
  | { action: 'return', value: unknown }

/** A step that adds to a number of a record. */
interface IncrementStep {
  action: 'store.increment'
  bucket: string
  key: string
  field: string
  by: Operand
  expectedVersion?: Operand | undefined
  as?: string | undefined
}

/**
 * A procedure as clients register it, and as the option `procedures.definitions` takes it. PROTOCOL.md,
 * "Procedures".
 */
export interface ProcedureDefinition {
  name: string
  description?: string | undefined
  input?: Readonly<Record<string, InputField>> | undefined
  steps: readonly ProcedureStep[]
  /**
   * All store steps take effect, or none.
   * @default false
   */
  transaction?: boolean | undefined
  /**
   * Milliseconds after which a call is stopped; an hour at most.
   * @default `procedures.defaultTimeoutMs`
   */
  timeoutMs?: number | undefined
  /**
   * The rights that the steps have: of the caller, or of the owner, which for a procedure of the options is
   * the application.
   * @default 'caller'
   */
  runAs?: 'caller' | 'owner' | undefined
}

/** Returns the fields of a request, with the values of the variables so far. */
export type Fields = (variables: Variables) => Readonly<Record<string, unknown>>

/** A compiled step; `path` is its place in the definition. */
export type Step =
  /** Runs an operation, as a request would; the result is kept under the name `as`, if given. */
  | {
    readonly kind: 'request'
    readonly path: string
    readonly operation: string
    readonly fields: Fields
    readonly as: string | undefined
  }
  /** Computes a value from the variables. */
  | {
    readonly kind: 'compute'
    readonly path: string
    readonly compute: (variables: Variables, sizeBudget: SizeBudget) => unknown
    readonly as: string
  }
  | {
    readonly kind: 'if'
    readonly path: string
    readonly test: (variables: Variables) => boolean
    readonly then: readonly Step[]
    readonly otherwise: readonly Step[]
  }
  | {
    readonly kind: 'return'
    readonly path: string
    readonly value: (variables: Variables, sizeBudget: SizeBudget) => unknown
  }

/** A compiled procedure. */
export interface Procedure {
  /** The definition, which is never changed. */
  readonly definition: ProcedureDefinition
  readonly name: string
  readonly steps: readonly Step[]
  /** The number of all steps, those within others included. */
  readonly stepCount: number
  /** Levels of `if` steps within each other. */
  readonly depth: number
  /** The buckets that the steps name, with their places. */
  readonly buckets: ReadonlyArray<{ readonly path: string, readonly bucket: string }>
}
