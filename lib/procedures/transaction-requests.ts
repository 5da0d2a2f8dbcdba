import type { TransactionContext } from '@hamicek/noex-store'
import type { Grant } from '../permissions/grant.js'
import { placedError } from '../protocol/errors.js'
import { noRuleEngine } from '../protocol/refusals.js'
import { EntryWriters } from '../store/entry-writers.js'
import { commitOptions, type RowScope } from '../store/row-scope.js'
import { EntryFields } from '../store/entry-fields.js'
import { repeatConflicts, transact } from '../store/repeat-conflicts.js'
import type { TransactionEntry } from '../store/transaction-entry.js'
import { refusalOfKey } from '../store/transaction.js'
import { TransactionRun } from '../store/transaction-run.js'
import { runOperation, writeFor } from '../operations/run-operation.js'
import {
  authorizeStep,
  contextOf,
  withCallChecks,
  type Call,
  type StepRequest,
  type StepRequests
} from './step-requests.js'
import { Turns } from './turns.js'

/** What runs once the transaction is committed, and the step that it belongs to. */
interface DeferredStep extends StepRequest {
  readonly path: string
}

type StepFields = Readonly<Record<string, unknown>>

const STORE = 'store.'

/**
 * Does the store steps of a procedure in one transaction. Each takes the right to a transaction on its bucket
 * and the right to its operation, as an entry of `store.transaction` does. Facts are read at once; what the
 * rule engine is told waits for the commit.
 */
export class TransactionRequests implements StepRequests {
  readonly #call: Call
  readonly #run: TransactionRun
  readonly #grants: Grant[] = []
  /** With what store steps were let in, by operation and bucket: another such step needs no other right. */
  readonly #storeGrants = new Map<string, Grant>()
  readonly #fields: EntryFields
  readonly #writers = new EntryWriters()
  /** Where the store steps stand, in the order in which they have run. */
  readonly #paths: string[] = []
  readonly #later: DeferredStep[] = []
  /** That of the entry which is running. */
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

  /** What runs after the commit. */
  get later (): readonly DeferredStep[] {
    return this.#later
  }

  perform (name: string, fields: StepFields, path: string): unknown {
    return name.startsWith(STORE) ? this.#apply(name, fields, path) : this.#tell(name, fields, path)
  }

  /** Asks the rule engine, or notes what it is to be told. */
  async #tell (name: string, fields: StepFields, path: string): Promise<unknown> {
    const { server } = this.#call
    const step = authorizeStep(this.#call, name, fields)
    this.#grants.push(step.grant)
    if (step.operation.tier === 'read') {
      return await runOperation(step.operation, step.request, contextOf(this.#call, step.grant)) ?? null
    }
    requireEngine(server.rules)
    this.#later.push({ ...step, path })
    return null
  }

  /** Returns the result at once, where there is nothing to wait for. */
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

  /** Asks for the right to a transaction with this entry, or once more for the one that was given. */
  #right (entry: TransactionEntry): Grant {
    const key = `${entry.op} ${entry.bucket}`
    const known = this.#storeGrants.get(key)
    if (known !== undefined) {
      known.assertStillAllowed()
      return known
    }
    const { authorizer, principal, find } = this.#call
    const request = { id: 0, type: 'store.transaction', operations: [entry] }
    const grant = withCallChecks(authorizer.authorize(principal, find(request.type), request), this.#call)
    this.#storeGrants.set(key, grant)
    this.#grants.push(grant)
    return grant
  }

  /** Returns an error of the commit with the place of the step that is to blame, where that is known. */
  placed (error: unknown): unknown {
    const { store } = this.#call.server.sharedStore
    const index = this.#writers.entryOf(error, bucket => store.getBucketSchema(bucket)?.key)
    return index === undefined ? error : placedError(this.#paths[index] as string, error)
  }

  /** @throws unless the client may still do and see all that has been done for it */
  assertStillAllowed (): void {
    this.#call.assertStillAllowed()
    for (const grant of this.#grants) grant.assertStillAllowed()
  }
}

/** The outcome of steps in one transaction. */
interface Committed<T> {
  readonly value: T
  readonly requests: TransactionRequests
}

/**
 * Runs `steps` in one transaction and returns what they return. Where other writers change what they have
 * read, they are run again: nothing has been written then, and the rule engine not told. They are given up
 * when the time is over, and nothing is written either; once the commit has begun, it is waited for. Resolves
 * when it is made: what is shown of it has to wait until it is durable.
 */
export async function inTransaction<T> (
  call: Call, steps: (requests: TransactionRequests) => T | Promise<T>
): Promise<Committed<T>> {
  const { server: { sharedStore }, client, assertStillAllowed } = call
  return await writeFor(client, async () => await repeatConflicts(sharedStore, async committing => {
    const entering = Turns.of(sharedStore).enter()
    const leave = entering instanceof Promise ? await entering : entering
    let requests: TransactionRequests | undefined
    // The step that commits is under way then: it is done before another transaction begins.
    const beforeCommit = (): void => {
      leave()
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
      }, { ...commitOptions({ ...call, assertStillAllowed: beforeCommit }), until: 'committed' })
    } catch (error) {
      throw requests?.placed(error) ?? error
    } finally {
      leave()
    }
  }, call.work))
}

/** Nothing should be written when the engine cannot be told of it. @throws `RULES_NOT_AVAILABLE` */
function requireEngine (rules: Call['server']['rules']): void {
  if (rules === undefined) throw noRuleEngine()
  rules.ensureRunning()
}
