import type { Scope } from '../permissions/policy.js'
import { isTakenBack } from '../store/noex-store.js'
import type { ReadSet } from './dependency-index.js'
import type { QueryCost } from './query-metrics.js'

/** Runs of one evaluation: the query runs again when it has read a state that was taken back. */
const MAX_RUNS = 5

/** A query in code, with its parameters, and the records that it may read. */
export interface CodeQuery {
  readonly query: string
  readonly params: unknown
  readonly scope: Scope
  /** The id of the client that subscribed first. */
  readonly owner: string
  /** The user or address of that client. */
  readonly account: string
  /** The cost of the queries of this name; `undefined` where it is not defined. */
  readonly cost: QueryCost | undefined
}

/** The result of one run of a query. */
export interface CodeRun {
  readonly result: unknown
  /** The revision of the store at the end of the run. */
  readonly revision: number
  /** Settles when every state that it may have read is durable, or taken back; absent where all are. */
  readonly durable: Promise<void> | undefined
}

/** The parts that runs need: the store's revisions, and the call of the query. */
export interface CodeRunsHost {
  /** The revision of the store, durable or not. */
  readonly revision: number
  /** The revision up to which all commits are durable and told. */
  readonly toldRevision: number
  run: (query: CodeQuery, reads: ReadSet) => Promise<CodeRun>
}

/** The runs of one query in code, and whether what they have read has changed since. */
export class CodeRuns {
  readonly #host: CodeRunsHost
  /** Revision of the store at the beginning of the last run. */
  #begunAt = 0
  /** Revision of the first change since then to a record that the query reads. */
  #changedAt = Infinity
  #isOutdated = true

  constructor (host: CodeRunsHost) {
    this.#host = host
  }

  /** Whether the result of the last run may be outdated, or there is none. */
  get isOutdated (): boolean {
    return this.#isOutdated
  }

  /** Whether the last run may have read the state of a revision: a commit is announced when it is durable. */
  mayHaveRead (revision: number): boolean {
    return revision <= this.#begunAt
  }

  /** Notes that a record has changed which the query reads. */
  noteChange (revision: number): void {
    this.#isOutdated = true
    this.#changedAt = Math.min(this.#changedAt, revision)
  }

  /** Notes that the last run has given no result. */
  noteFailure (): void {
    this.#isOutdated = true
  }

  /** Runs the query, again where the state that it has read is taken back, up to `MAX_RUNS` times. */
  async run (query: CodeQuery, reads: ReadSet): Promise<CodeRun> {
    for (let count = 1; ; count++) {
      this.#isOutdated = false
      this.#begunAt = this.#host.revision
      this.#changedAt = Infinity
      try {
        const run = await this.#host.run(query, reads)
        if (run.durable !== undefined) await run.durable
        return run
      } catch (error) {
        if (count === MAX_RUNS || !isTakenBack(error)) throw error
      }
    }
  }

  /** Whether a change has overtaken a run; one after it, while its state became durable, has not. */
  isOvertaken (run: CodeRun | undefined): boolean {
    return this.#isOutdated && this.#changedAt <= (run?.revision ?? Infinity)
  }

  /** Returns the last revision of which it is known that the result of a run is that of its state. */
  revisionOf ({ revision }: CodeRun): number {
    if (this.#changedAt < Infinity) return Math.max(this.#begunAt, this.#changedAt - 1)
    return Math.min(revision, Math.max(this.#begunAt, this.#host.toldRevision))
  }
}
