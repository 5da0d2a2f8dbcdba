import { plainAnswer } from '../application/plain-answer.js'
import { isThenable } from '../application/thenable.js'
import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import type { Log } from '../util/log.js'
import { isPlainObject } from '../util/option-schema.js'
import { withTimeoutResult } from '../util/with-timeout.js'
import { toRuleError } from './rule-errors.js'
import type { RuleEngine } from './rule-engine.js'

/** The time limit of calls, and the log of late ones. */
export interface EngineCallsOptions {
  /** Time limit of a call, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Log
}

/** A method that clients can call. */
type EngineMethod = keyof typeof answers

type Arguments<Method extends EngineMethod> = Parameters<NonNullable<RuleEngine[Method]>>
type Answer<Method extends EngineMethod> = Awaited<ReturnType<NonNullable<RuleEngine[Method]>>>

interface ExpectedAnswer {
  readonly is: (answer: unknown) => boolean
  readonly what: string
}

const event: ExpectedAnswer = { is: isPlainObject, what: 'an event' }
const fact: ExpectedAnswer = { is: isPlainObject, what: 'a fact' }
const rule: ExpectedAnswer = { is: answer => isPlainObject(answer) && hasText(answer, 'id'), what: 'a rule' }
const truth: ExpectedAnswer = { is: answer => typeof answer === 'boolean', what: 'true or false' }

/** The expected result of each method. An engine of another package is not trusted to return it. */
const answers = {
  emit: event,
  emitCorrelated: event,
  setFact: fact,
  getFact: { is: () => true, what: 'a value' },
  getFactFull: { is: isObjectOrNothing, what: 'a fact or undefined' },
  getAllFacts: { is: answer => isArrayOfNamed(answer, 'key'), what: 'an array of facts' },
  deleteFact: truth,
  registerRule: rule,
  updateRule: rule,
  unregisterRule: truth,
  enableRule: truth,
  disableRule: truth,
  getRule: { is: isObjectOrNothing, what: 'a rule or undefined' },
  getRules: { is: answer => isArrayOfNamed(answer, 'id'), what: 'an array of rules' },
  validateRule: {
    is: answer => isPlainObject(answer) && typeof answer['valid'] === 'boolean',
    what: 'a result with "valid"'
  },
  getStats: { is: isPlainObject, what: 'an object' }
} as const satisfies Partial<Record<keyof RuleEngine, ExpectedAnswer>>

/**
 * Calls a rule engine of any package: each call ends in time, with a result of the right kind or an error.
 * Synchronous methods may return a promise, too.
 */
export class EngineCalls {
  readonly #engine: RuleEngine
  readonly #options: EngineCallsOptions

  constructor (engine: RuleEngine, options: EngineCallsOptions) {
    this.#engine = engine
    this.#options = options
  }

  /** Returns whether the engine has an optional method. */
  has (method: EngineMethod): boolean {
    return typeof this.#engine[method] === 'function'
  }

  /**
   * Calls a method and resolves with its result.
   * @throws `NoexServerError` to reply with, `INTERNAL_ERROR` when there is no result in time; any other
   * error names the method, and is to be logged
   */
  async call<Name extends EngineMethod> (method: Name, ...args: Arguments<Name>): Promise<Answer<Name>> {
    let answer: unknown
    let isRight: boolean
    try {
      const called = this.#engine[method] as (...args: unknown[]) => unknown
      const returned: unknown = Reflect.apply(called, this.#engine, args)
      answer = isThenable(returned) ? await this.#inTime(returned) : returned
      isRight = answer === OVERDUE || answers[method].is(answer)
    } catch (error) {
      throw toRuleError(error, method)
    }
    if (answer === OVERDUE) throw this.#overdue(method)
    if (isRight) return plainAnswer(`the method ${method} of the rule engine`, answer as Answer<Name>)
    throw new Error(`the method ${method} of the rule engine must answer with ${answers[method].what}`)
  }

  /**
   * Resolves with `OVERDUE` after the time limit: an error could not be distinguished from those of the
   * engine.
   */
  async #inTime (answering: PromiseLike<unknown>): Promise<unknown> {
    const { clock, timeoutMs } = this.#options
    return await withTimeoutResult(timeoutMs, answering, clock, () => OVERDUE)
  }

  #overdue (method: EngineMethod): NoexServerError {
    const { timeoutMs, log } = this.#options
    log.error({ method, timeoutMs }, 'the rule engine does not answer: a call is not waited for any more')
    return new NoexServerError('INTERNAL_ERROR', `The rule engine has not answered within ${timeoutMs} ms`)
  }
}

/** The result of a call that has no answer in time. */
const OVERDUE = Symbol('overdue')

function isObjectOrNothing (value: unknown): boolean {
  return value === undefined || value === null || isPlainObject(value)
}

function hasText (value: Readonly<Record<string, unknown>>, member: string): boolean {
  return typeof value[member] === 'string'
}

function isArrayOfNamed (value: unknown, member: string): boolean {
  return Array.isArray(value) && value.every(item => isPlainObject(item) && hasText(item, member))
}
