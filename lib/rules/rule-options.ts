import { NoexOptionsError, option, options, type ValueType } from '../util/option-schema.js'
import { timerMs } from '../util/option-types.js'
import { ruleEngineMethods, type RuleEngine } from './rule-engine.js'

/** The options of the operations `rules.*`. */
export interface RuleOptions {
  /**
   * The [rule engine](rules.md) of the operations `rules.*`, from `RuleEngine.start()` of
   * `fastify-noex/rules` or of another `@hamicek/noex-rules`. It stays the application's.
   * @default none
   */
  rules?: RuleEngine | undefined
  /**
   * Time that the rule engine has to answer a request, in milliseconds; then the client gets an
   * `INTERNAL_ERROR`, though the engine may still do as it was asked.
   * @limit `INTERNAL_ERROR`
   * @default 30_000
   */
  rulesTimeoutMs?: number | undefined
}

/** A rule engine is known by its methods, so that one from another copy of the package passes. */
const ruleEngine: ValueType = {
  text: 'rule engine',
  check (value, path) {
    const members = value as Record<string, unknown> | null
    const missing = ruleEngineMethods.find(name => typeof members?.[name] !== 'function')
    if (missing !== undefined) {
      throw new NoexOptionsError(path, `must be a rule engine; it has no method "${missing}"`)
    }
    if (typeof (value as RuleEngine).isRunning !== 'boolean') {
      throw new NoexOptionsError(path, 'must be a rule engine; its "isRunning" is no boolean')
    }
    const emit = Object.getOwnPropertyDescriptor(value, 'emit')
    if (!Object.isExtensible(value) || emit?.configurable === false) {
      const reason = 'its "emit" is replaced, to keep records of system buckets from it'
      throw new NoexOptionsError(path, `must not be frozen: ${reason}`)
    }
  }
}

export const ruleOptions = options<RuleOptions>()({
  rules: option(ruleEngine, undefined),
  rulesTimeoutMs: option(timerMs, 30_000)
})
