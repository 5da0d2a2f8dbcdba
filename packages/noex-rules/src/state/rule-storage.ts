import type { PersistedState } from '@hamicek/noex-store'
import type { EngineOptions } from '../options.js'
import type { RuleGroup } from '../rule-group.js'
import type { Rule } from '../rule.js'
import type { CompleteClock } from '../util/clock.js'
import { toError } from '../util/to-error.js'
import type { FailureReporter } from './failure-reporter.js'

/** Milliseconds from a change until it is saved. */
const SAVE_DELAY_MS = 10
/** Milliseconds that the engine waits for the storage. */
const STORAGE_TIMEOUT_MS = 30_000

/** The saved state. */
interface SavedRules {
  readonly rules: readonly Rule[]
  readonly groups: readonly RuleGroup[]
}

/** Saved rules cannot be used; `cause` is the reason, where there is one. They are left as they are. */
export class RuleStorageError extends Error {
  override readonly name = 'RuleStorageError'
  readonly code = 'RULE_STORAGE_ERROR'

  constructor (key: string, reason: string, cause?: unknown) {
    const options = cause === undefined ? undefined : { cause: toError(cause) }
    super(`The rules saved under "${key}" cannot be used: ${reason}`, options)
  }
}

/**
 * Saves the rules of an engine 10 ms after a change, one save at a time. A failed save is retried with the
 * next change. A load that takes longer than 30 s fails; such a save is reported.
 */
export class RuleStorage {
  readonly #options: NonNullable<EngineOptions['persistence']>
  readonly #clock: CompleteClock
  readonly #ownClock: CompleteClock
  readonly #reporter: FailureReporter
  readonly #take: () => SavedRules
  #isDirty = false
  #cancelSave: (() => void) | undefined
  #saving: Promise<void> | undefined

  /** `take` returns the state to save. */
  constructor (
    options: NonNullable<EngineOptions['persistence']>,
    clock: CompleteClock,
    ownClock: CompleteClock,
    reporter: FailureReporter,
    take: () => SavedRules
  ) {
    this.#options = options
    this.#clock = clock
    this.#ownClock = ownClock
    this.#reporter = reporter
    this.#take = take
  }

  /** Loads the saved state. Resolves to `undefined` when there is none. Rejects with `RuleStorageError`. */
  async load (): Promise<SavedRules | undefined> {
    const { adapter, key, schemaVersion } = this.#options
    try {
      const saved: unknown = await this.#inTime(adapter.load<unknown>(key))
      return saved === undefined || saved === null ? undefined : this.#read(saved, schemaVersion)
    } catch (error) {
      const createError = toError(error)
      if (createError instanceof RuleStorageError) throw createError
      throw new RuleStorageError(key, 'they cannot be read', createError)
    }
  }

  /** Schedules a save. */
  scheduleSave (): void {
    this.#isDirty = true
    if (this.#saving !== undefined) return
    this.#cancelSave ??= this.#ownClock.after(SAVE_DELAY_MS, () => {
      this.#cancelSave = undefined
      this.#save().catch(() => {})
    })
  }

  /** Saves changes that have not been saved. Does not reject. */
  async flush (): Promise<void> {
    await this.#saving
    this.#cancelSave?.()
    this.#cancelSave = undefined
    if (this.#isDirty) await this.#save()
  }

  /** Creates the error for a saved state that cannot be used. */
  failure (reason: string, cause: unknown): RuleStorageError {
    return new RuleStorageError(this.#options.key, reason, cause)
  }

  #read (saved: unknown, schemaVersion: number): SavedRules {
    const { key } = this.#options
    const { state, metadata } = saved as Partial<PersistedState<unknown>>
    if (typeof metadata !== 'object' || metadata === null) {
      throw new RuleStorageError(key, 'they have no metadata')
    }
    const { schemaVersion: version } = metadata
    if (version !== schemaVersion) {
      throw new RuleStorageError(key, `they have the schema version ${version} and not ${schemaVersion}`)
    }
    if (typeof state === 'object' && state !== null) {
      const { rules, groups = [] } = state as { rules?: unknown, groups?: unknown }
      if (Array.isArray(rules) && Array.isArray(groups)) return { rules, groups }
    }
    throw new RuleStorageError(key, 'they are no rules')
  }

  /** Rejects when a load takes longer than 30 s. */
  #inTime<T> (loading: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#ownClock.after(STORAGE_TIMEOUT_MS, () => {
        reject(new Error(`The storage did not answer within ${STORAGE_TIMEOUT_MS} ms`))
      })
      Promise.resolve(loading).finally(cancel).then(resolve, reject)
    })
  }

  #save (): Promise<void> {
    this.#saving = this.#write().then(isSaved => {
      this.#saving = undefined
      if (isSaved && this.#isDirty) this.scheduleSave()
    })
    return this.#saving
  }

  async #write (): Promise<boolean> {
    const { adapter, key, schemaVersion } = this.#options
    const metadata = { persistedAt: this.#clock.now(), serverId: 'rule-engine', schemaVersion }
    this.#isDirty = false
    // A second save beside the first could be overtaken by it: the first is waited for, and reported.
    const cancel = this.#ownClock.after(STORAGE_TIMEOUT_MS, () => {
      const error = new Error(`The storage did not answer within ${STORAGE_TIMEOUT_MS} ms`)
      this.#reporter.reportFailure(error, {}, 'the rules are not saved: the storage does not answer')
    })
    try {
      await adapter.save(key, { state: this.#take(), metadata })
      return true
    } catch (error) {
      this.#isDirty = true
      this.#reporter.reportFailure(error, {}, 'the rules could not be saved')
      return false
    } finally {
      cancel()
    }
  }
}
