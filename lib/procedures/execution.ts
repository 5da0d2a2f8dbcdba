import { readTicks } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import { internalError } from '../protocol/refusals.js'
import { placedError, toReplyError } from '../store/store-errors.js'
import type { Log } from '../util/log.js'
import { runOperation } from '../operations/run-operation.js'
import { contextOf, DirectRequests } from '../operations/step-requests.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import type { Work } from '../store/work.js'
import type { Call, StepRequests } from './call.js'
import type { Procedure, Step } from './procedure.js'
import type { Variables } from './reference.js'
import { SizeBudget } from './size-budget.js'
import { inTransaction, type TransactionRequests } from './transaction-requests.js'

/**
 * Characters of JSON of all results of one call of a procedure, about.
 * @limit `VALIDATION_ERROR`
 */
const MAX_RESULTS_CHARS = 16_777_216

/** Milliseconds for which steps run without giving way to others: most procedures are done by then. */
const SHORT_MS = 1

/** The first character of the names of results that are not sent to the client. */
const INNER = '_'

/** The answer to a call. PROTOCOL.md, "Calling a procedure". */
export interface Outcome {
  readonly success: true
  /** The value of the `return` step that was reached. */
  readonly result?: unknown
  readonly results: Readonly<Record<string, unknown>>
}

/** Runs a procedure. Rejects with the error of the step that failed, which keeps its code and details. */
export async function execute (
  procedure: Procedure,
  input: Variables['input'],
  call: Call,
  log: Log
): Promise<Outcome> {
  if (procedure.definition.transaction !== true) {
    const requests = new DirectRequests(call)
    const run = new Run(input, requests, call.work)
    await run.start(procedure, call)
    requests.ensureReadable()
    return run.outcome
  }
  const { value: run, requests } = await inTransaction(call, requests => {
    const run = new Run(input, requests, call.work)
    const running = run.start(procedure, call)
    return running === undefined ? run : running.then(() => run)
  }, run => run.outcome)
  // Nothing that may still be taken back goes to the rule engine.
  if (requests.deferred.length > 0) await call.server.sharedStore.store.whenDurable()
  try {
    await finish(requests, call, procedure.name)
  } catch (error) {
    throw appliedAlready(error, procedure, log)
  }
  return run.outcome
}

/** Runs the steps of the rule engine that were deferred until after the commit. */
async function finish (requests: TransactionRequests, call: Call, name: string): Promise<void> {
  const { deadline } = call
  for (const { path, operation, request, grant } of requests.deferred) {
    try {
      grant.assertStillAllowed()
      await deadline.race(runOperation(operation, request, contextOf(call, grant)))
    } catch (error) {
      throw failureAt(path, error, name)
    }
  }
  requests.assertStillAllowed()
}

/** One run through the steps. */
class Run {
  #name = ''
  /** The start of the present turn, in milliseconds of `readTicks`. */
  #since = readTicks()
  /** The path of the step that is running. */
  #path = ''
  readonly #requests: StepRequests
  readonly #values: { readonly input: Variables['input'], readonly results: Map<string, unknown> }
  readonly #sizeBudget = new SizeBudget(MAX_RESULTS_CHARS)
  readonly #work: Work
  #returned: { readonly value: unknown } | undefined

  constructor (input: Variables['input'], requests: StepRequests, work: Work) {
    this.#requests = requests
    this.#work = work
    this.#values = { input, results: new Map() }
  }

  get outcome (): Outcome {
    const shown = [...this.#values.results].filter(([name]) => !name.startsWith(INNER))
    return {
      success: true,
      ...(this.#returned !== undefined && { result: this.#returned.value }),
      results: Object.fromEntries(shown)
    }
  }

  /** Runs the steps until one returns or the time is over. Returns `undefined` when all are done at once. */
  start (
    { name, steps }: Procedure,
    { deadline, assertStillAllowed }: Pick<Call, 'deadline' | 'assertStillAllowed'>
  ): Promise<void> | undefined {
    this.#name = name
    const running = this.#steps(steps, assertStillAllowed)
    return running && deadline.race(running, error => failureAt(this.#path, error, name))
  }

  /** Returns `undefined` when the steps are done at once. */
  #steps (steps: readonly Step[], assertStillAllowed: () => void): Promise<void> | undefined {
    for (const [index, step] of steps.entries()) {
      const doing = this.#do(step, assertStillAllowed)
      if (doing !== undefined) return this.#stepsBehind(doing, steps, index, assertStillAllowed)
      if (this.#returned !== undefined) return undefined
    }
    return undefined
  }

  async #stepsBehind (
    doing: Promise<void>, steps: readonly Step[], index: number, assertStillAllowed: () => void
  ): Promise<void> {
    await doing
    for (let next = index + 1; next < steps.length && this.#returned === undefined; next++) {
      const doing = this.#do(steps[next] as Step, assertStillAllowed)
      if (doing !== undefined) await doing
    }
  }

  /** Returns `undefined` when the step, with those within it, is done at once. */
  #do (step: Step, assertStillAllowed: () => void): Promise<void> | undefined {
    this.#path = step.path
    // Many steps must not delay other clients, nor the timer of the deadline.
    if (readTicks() - this.#since < SHORT_MS || !isTurnOver()) return this.#doNow(step, assertStillAllowed)
    return nextTurn().then(() => {
      this.#since = readTicks()
      return this.#doNow(step, assertStillAllowed)
    })
  }

  #doNow (step: Step, assertStillAllowed: () => void): Promise<void> | undefined {
    const failed = (error: unknown): never => { throw failureAt(step.path, error, this.#name) }
    let inner: readonly Step[]
    try {
      assertStillAllowed()
      if (step.kind !== 'if') return this.#step(step)?.catch(failed)
      inner = this.#branch(step)
    } catch (error) {
      return failed(error)
    }
    return this.#steps(inner, assertStillAllowed)
  }

  #branch ({ test, then, otherwise }: Extract<Step, { kind: 'if' }>): readonly Step[] {
    return test(this.#values) ? then : otherwise
  }

  /** Returns `undefined` when the step is done at once. */
  #step (step: Exclude<Step, { kind: 'if' }>): Promise<void> | undefined {
    switch (step.kind) {
      case 'request': return this.#request(step)
      case 'compute': return this.#keep(step.as, step.compute(this.#values, this.#sizeBudget))
      case 'return':
        this.#returned = { value: step.value(this.#values, this.#sizeBudget) }
        return undefined
    }
  }

  #request ({ operation, fields, path, as }: Extract<Step, { kind: 'request' }>): Promise<void> | undefined {
    const result = this.#requests.perform(operation, fields(this.#values), path)
    if (result instanceof Promise) return result.then(value => this.#keep(as, value))
    return this.#keep(as, result)
  }

  /** Returns `undefined` when the value is kept at once. */
  #keep (name: string | undefined, value: unknown): Promise<void> | undefined {
    if (name === undefined) return undefined
    if (Array.isArray(value)) return this.#keepInSlices(name, value)
    this.#sizeBudget.takeValue(value)
    this.#values.results.set(name, value)
    return undefined
  }

  async #keepInSlices (name: string, values: readonly unknown[]): Promise<void> {
    await this.#sizeBudget.takeInSlices(values, this.#work)
    this.#values.results.set(name, values)
  }
}

/** Returns the error with the path of the failed step; an internal error keeps its cause for the log. */
function failureAt (path: string, error: unknown, procedure: string): Error {
  return placedError(path, error) ??
    new Error(`the step ${path} of procedure "${procedure}" has failed`, { cause: error })
}

/** Returns an error that says that the transaction is committed although the call has failed. */
function appliedAlready (error: unknown, { name }: Procedure, log: Log): NoexServerError {
  const known = toReplyError(error)
  if (known === undefined) {
    log.error({ err: error, procedure: name }, 'a step after the commit of a procedure has failed')
  }
  const { code, message, details } =
    known ?? internalError()
  const others =
    typeof details === 'object' && details !== null && !Array.isArray(details)
      ? details
      : details !== undefined && { details }
  return new NoexServerError(code, `${message} (the transaction is committed)`, { ...others, applied: true })
}
