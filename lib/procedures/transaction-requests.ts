import type { TransactionContext } from '@hamicek/noex-store'
import type { Grant } from '../permissions/grant.js'
import { noRuleEngine } from '../protocol/refusals.js'
import { placedError } from '../store/store-errors.js'
import { EntryWriters } from '../store/entry-writers.js'
import { commitOptions, type RowScope } from '../store/row-scope.js'
import { EntryFields } from '../store/entry-fields.js'
import { repeatConflicts, transact } from '../store/repeat-conflicts.js'
import type { TransactionEntry } from '../store/transaction-entry.js'
import { refusalOfKey } from '../store/transaction.js'
import { TransactionRun } from '../store/transaction-run.js'
import { runOperation, writeFor } from '../operations/run-operation.js'
import { authorizeFor, authorizeStep, contextOf, type StepRequest } from '../operations/step-requests.js'
import type { Call, StepRequests } from './call.js'
import { Turns } from './turns.js'

/** A step of the rule engine that runs once the transaction is committed. */
interface DeferredStep extends StepRequest {
  readonly path: string
}

type StepFields = Readonly<Record<string, unknown>>

const STORE = 'store.'

/**
 * Runs the store steps of a procedure in one transaction. Each needs the right to a transaction on its bucket
 * and the right to its operation, as an entry of `store.transaction` does. Facts are read at once; other
 * steps of the rule engine are deferred until after the commit.
 */
export class TransactionRequests implements StepRequests {
  readonly #call: Call
  readonly #run: TransactionRun
  readonly #grants: Grant[] = []
  /** The grants of store steps, by operation and bucket: further steps use the same. */
  readonly #storeGrants = new Map<string, Grant>()
  readonly #fields: EntryFields
  readonly #writers = new EntryWriters()
  /** The paths of the store steps, in the order in which they have run. */
  readonly #paths: string[] = []
  readonly #deferred: DeferredStep[] = []
  /** The grant of the running entry. */
  #grant: Grant | undefined

  constructor (call: Call, tx: TransactionContext) {
    this.#call = call
    this.#fields = new EntryFields(call.server.sharedStore)
    const rowScope: RowScope = {
      rows: (operation, bucket) => this.#grant?.rows(operation, bucket),
      assertStillAllowed: () => { this.assertStillAllowed() },
      work: call.work,
      maxChanges: call.maxChanges
    }
    this.#run = new TransactionRun(call.server.sharedStore, tx, rowScope, this.#writers)
  }

  /** The steps that run after the commit. */
  get deferred (): readonly DeferredStep[] {
    return this.#deferred
  }

  perform (name: string, fields: StepFields, path: string): unknown {
    return name.startsWith(STORE) ? this.#apply(name, fields, path) : this.#callEngine(name, fields, path)
  }

  /** Reads from the rule engine, or defers the step. */
  async #callEngine (name: string, fields: StepFields, path: string): Promise<unknown> {
    const { server } = this.#call
    const step = authorizeStep(this.#call, name, fields)
    this.#grants.push(step.grant)
    if (step.operation.tier === 'read') {
      return await runOperation(step.operation, step.request, contextOf(this.#call, step.grant)) ?? null
    }
    requireEngine(server.rules)
    this.#deferred.push({ ...step, path })
    return null
  }

  /** Runs a store step. Returns the result at once, or a promise where it must wait. */
  #apply (name: string, fields: StepFields, path: string): unknown {
    const entry = { ...fields, op: name.slice(STORE.length) } as unknown as TransactionEntry
    const { grant } = authorizeStep(this.#call, name, fields, () => this.#right(entry))
    const checking = this.#fields.check(entry, grant)
    if (checking !== undefined) return checking.then(() => this.#applyChecked(entry, grant, path))
    return this.#applyChecked(entry, grant, path)
  }

  #applyChecked (entry: TransactionEntry, grant: Grant, path: string): unknown {
    this.#grant = grant
    try {
      const result = this.#run.apply(entry, this.#paths.push(path) - 1)
      if (!(result instanceof Promise)) return result ?? null
      return result.then(value => value ?? null, (error: unknown) => { throw refusalOfKey(error) })
    } catch (error) {
      throw refusalOfKey(error)
    }
  }

  /** Returns the grant of a transaction with this entry; asserts an earlier one again. */
  #right (entry: TransactionEntry): Grant {
    const key = `${entry.op} ${entry.bucket}`
    const known = this.#storeGrants.get(key)
    if (known !== undefined) {
      known.assertStillAllowed()
      return known
    }
    const request = { id: 0, type: 'store.transaction', operations: [entry] }
    const grant = authorizeFor(this.#call, this.#call.find(request.type), request)
    this.#storeGrants.set(key, grant)
    this.#grants.push(grant)
    return grant
  }

  /** Returns an error of the commit with the path of the step that caused it, where that is known. */
  placed (error: unknown): unknown {
    const { store } = this.#call.server.sharedStore
    const index = this.#writers.entryOf(error, bucket => store.getBucketSchema(bucket)?.key)
    return index === undefined ? error : placedError(this.#paths[index] as string, error)
  }

  /** @throws unless the principal may still do and see everything that the steps have done */
  assertStillAllowed (): void {
    this.#call.assertStillAllowed()
    for (const grant of this.#grants) grant.assertStillAllowed()
  }
}

/** The outcome of a committed transaction. */
interface Committed<T> {
  readonly value: T
  readonly requests: TransactionRequests
}

/**
 * Runs `steps` in one transaction and returns their result. They run again where other writers change records
 * that they have read: nothing has been written then, nor sent to the rule engine. When the time is over
 * before the commit has begun, nothing is written. Resolves when the commit is made: the caller must not show
 * it before it is durable. `answerOf` returns the answer to the call that the commit remembers.
 */
export async function inTransaction<T> (
  call: Call, steps: (requests: TransactionRequests) => T | Promise<T>, answerOf: (value: T) => unknown
): Promise<Committed<T>> {
  const { server: { sharedStore }, client, assertStillAllowed } = call
  const idempotency = withAnswer(call.idempotency, made => answerOf((made as Committed<T>).value))
  return await writeFor(client, async () => await repeatConflicts(sharedStore, async committing => {
    const beginning = Turns.of(sharedStore).begin()
    const endTurn = beginning instanceof Promise ? await beginning : beginning
    let requests: TransactionRequests | undefined
    // The commit is under way then, and ends before another transaction begins.
    const beforeCommit = (): void => {
      endTurn()
      committing()
      requests?.assertStillAllowed()
    }
    try {
      assertStillAllowed()
      return await transact(sharedStore, tx => {
        const made = requests = new TransactionRequests(call, tx)
        const running = steps(made)
        if (!(running instanceof Promise)) return { value: running, requests: made }
        return running.then(value => ({ value, requests: made }))
      }, { ...commitOptions({ ...call, idempotency, assertStillAllowed: beforeCommit }), until: 'committed' })
    } catch (error) {
      throw requests?.placed(error) ?? error
    } finally {
      endTurn()
    }
  }, call.work))
}

/** Returns how the commit of a call remembers it; `answerOf` makes the answer of what it resolves with. */
function withAnswer (
  idempotency: Call['idempotency'], answerOf: (made: unknown) => unknown
): RowScope['idempotency'] {
  return idempotency && { ...idempotency, answer: made => idempotency.answer(answerOf(made)) }
}

/** Requires a running engine before anything is written. @throws `RULES_NOT_AVAILABLE` */
function requireEngine (rules: Call['server']['rules']): void {
  if (rules === undefined) throw noRuleEngine()
  rules.ensureRunning()
}
