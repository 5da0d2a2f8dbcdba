import type { ErrorContext, ErrorListener } from '../options.js'
import type { CompleteClock } from '../util/clock.js'
import { consoleLogger, type Logger } from '../util/logger.js'
import { isThenable } from '../util/thenable.js'
import { toError } from '../util/to-error.js'
import type { Counters } from './stats.js'

/**
 * Reports failures to the statistics, the log and `onError`. An error of the log or of `onError` is ignored.
 */
export class FailureReporter {
  readonly #counters: Counters
  readonly #clock: CompleteClock
  readonly #logger: Logger
  readonly #isConsole: boolean
  readonly #onError: ErrorListener | undefined

  /** Without a logger, writes to the console. */
  constructor (
    counters: Counters,
    clock: CompleteClock,
    logger: Logger | undefined,
    onError: ErrorListener | undefined
  ) {
    this.#counters = counters
    this.#clock = clock
    this.#logger = logger ?? consoleLogger
    this.#isConsole = logger === undefined
    this.#onError = onError
  }

  /** Stores a failure as the last one, logs it, and passes it to `onError`. */
  reportFailure (thrown: unknown, context: ErrorContext, message: string): void {
    const error = toError(thrown)
    this.#counters.lastError = {
      at: this.#clock.now(),
      ...context.ruleId !== undefined && { ruleId: context.ruleId },
      message: error.message
    }
    this.log('error', { err: error, ...context }, message)
    guard(this.#onError && (() => this.#onError?.(error, context)))
  }

  log (level: keyof Logger, details: object, message: string): void {
    guard(() => this.#logger[level](details, message))
  }

  /** Logs the message of a `log` action. The console gets the message alone, a logger also the rule. */
  logRuleMessage (level: keyof Logger, message: string, ruleId: string): void {
    if (this.#isConsole) guard(() => { console[level](message) })
    else this.log(level, { ruleId }, message)
  }
}

/** Calls code of the application and ignores its errors and rejections. */
function guard (call: (() => unknown) | undefined): void {
  try {
    const result = call?.()
    if (isThenable(result)) Promise.resolve(result).catch(() => {})
  } catch {}
}
