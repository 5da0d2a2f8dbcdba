import type { Bucket } from '../bucket/bucket.js'
import { functionsOf } from '../commit/definitions.js'
import type { Engine } from '../commit/engine.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { Change } from '../types/commit.js'

/**
 * Buckets and queries that a process has declared before its store has joined a log, as far as the log does
 * not have them. They become commits when the process may write.
 */
export class Declarations {
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #buckets: ReadonlyMap<string, Bucket>
  readonly #configs: ReadonlyMap<string, unknown>

  /** Takes those that are declared now. */
  constructor (engine: Engine, queries: QueryRegistry) {
    this.#engine = engine
    this.#queries = queries
    this.#buckets = new Map(engine.buckets)
    this.#configs = new Map(queries.configs)
  }

  /** Commits those that the log has not brought meanwhile, in one commit; none commit nothing. */
  commitMissing (): void {
    const changes: Change[] = []
    for (const [name, bucket] of this.#buckets) {
      // One of the log is another object.
      if (this.#engine.buckets.get(name) !== bucket) continue
      const { definition } = bucket.schema
      changes.push({ type: 'define', bucket: name, definition, ...functionsOf(bucket) })
    }
    for (const [query, config] of this.#queries.configs) {
      if (this.#configs.get(query) === config) changes.push({ type: 'query', query, config })
    }
    if (changes.length > 0) this.#engine.commitStructure(changes, () => {}, () => {})
  }
}
