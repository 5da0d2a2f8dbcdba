import type { CompiledLookup } from '../compiler/compiled-rule.js'
import { DataResolutionError } from '../errors.js'
import type { Scope } from '../expressions/scope.js'
import type { CompleteClock } from '../util/clock.js'
import { LruCache } from '../util/lru-cache.js'
import { stableJson } from '../util/stable-json.js'
import type { CallContext } from './call-context.js'
import type { Chain } from './chain.js'
import type { Services } from './services.js'

/** The cached results of lookups. */
export interface LookupCache {
  /** The number of results, expired ones included until they are read. */
  readonly size: number
  /** Removes all results. The result of a lookup that is pending is not cached either. */
  clear: () => void
  /** Removes the result of one call. Returns false when there was none. */
  delete: (service: string, method: string, args?: readonly unknown[]) => boolean
}

interface CachedResult {
  readonly value: unknown
  /** In ticks. */
  readonly expiresAt: number
}

/** Calls the services that rules look up before their conditions, and caches the results. */
export class Lookups {
  readonly #services: Services
  readonly #clock: CompleteClock
  readonly #results: LruCache<string, CachedResult>
  /** Counts removals, so that the result of a call from before a removal is not cached. */
  #forgotten = 0
  readonly cache: LookupCache

  constructor (services: Services, clock: CompleteClock, maxCached: number) {
    this.#services = services
    this.#clock = clock
    const results = this.#results = new LruCache<string, CachedResult>(maxCached)
    const forget = (): void => { this.#forgotten++ }
    this.cache = Object.freeze({
      get size (): number {
        return results.size
      },
      clear (): void {
        forget()
        results.clear()
      },
      delete (service: string, method: string, args: readonly unknown[] = []): boolean {
        forget()
        const key = keyOf(service, method, args)
        return key !== undefined && results.delete(key)
      }
    })
  }

  /**
   * Resolves all lookups of a rule at once: to their results by name, or to a `DataResolutionError` when a
   * failure skips the rule. Rejects with `DataResolutionError` for the failure of a lookup with `onError:
   * 'fail'`.
   */
  async resolve (
    lookups: readonly CompiledLookup[],
    scope: Scope,
    chain: Chain,
    level: number
  ): Promise<Map<string, unknown> | DataResolutionError> {
    const results = await this.#services.callInContext(
      chain, level, context => this.#resolveAll(lookups, scope, context), () => {}
    )
    return results ?? new DataResolutionError(lookups[0]!.lookup)
  }

  async #resolveAll (
    lookups: readonly CompiledLookup[],
    scope: Scope,
    context: CallContext
  ): Promise<Map<string, unknown> | DataResolutionError> {
    const outcomes = await Promise.allSettled(lookups.map(async lookup => this.#resolveOne(
      lookup, scope, context
    )))
    const results = new Map<string, unknown>()
    let skip: DataResolutionError | undefined
    for (const [index, { lookup }] of lookups.entries()) {
      const outcome = outcomes[index]!
      if (outcome.status === 'fulfilled') {
        results.set(lookup.name, outcome.value)
        continue
      }
      const error = new DataResolutionError(lookup, outcome.reason)
      if (lookup.onError === 'fail') throw error
      skip ??= error
    }
    return skip ?? results
  }

  async #resolveOne (
    { lookup, args, ttlMs }: CompiledLookup,
    scope: Scope,
    context: CallContext
  ): Promise<unknown> {
    const service = this.#services.find(lookup.service, lookup.method)
    const given = args(scope)
    const key = ttlMs === undefined ? undefined : keyOf(lookup.service, lookup.method, given)
    if (key === undefined) return this.#services.call(service, given, context)

    const cached = this.#results.get(key)
    if (cached !== undefined && cached.expiresAt > this.#clock.ticks()) return cached.value
    const forgotten = this.#forgotten
    const value = await this.#services.call(service, given, context)
    if (value !== undefined && forgotten === this.#forgotten) {
      this.#results.set(key, { value, expiresAt: this.#clock.ticks() + ttlMs! })
    }
    return value
  }
}

/** Returns `undefined` for arguments that cannot be compared. */
function keyOf (service: string, method: string, args: readonly unknown[]): string | undefined {
  return stableJson([service, method, args])
}
