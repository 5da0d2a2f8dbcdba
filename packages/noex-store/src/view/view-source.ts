import type { Bucket } from '../bucket/bucket.js'
import { compileFilter, type CompiledFilter } from '../filter/filter.js'
import type { RecordChange } from '../types/commit.js'
import type { HeldPart } from './held-bytes.js'
import { RowSet } from './row-set.js'
import { Tally } from './tally.js'
import type { SourceConfig } from './view-config.js'

/** A view over a source. */
export interface OpenView {
  /** Begins anew on other contents of the source. */
  attach: () => void
  /** Tells what a commit has changed. */
  tellChange: (revision: number) => void
  tellReset: (revision: number) => void
  tellFailure: (error: unknown) => void
  tellDrop: () => void
}

/** Rows or an aggregate that views share, followed through the commits. */
export class ViewSource {
  readonly config: SourceConfig
  /** Name under which it is shared; `undefined`: not at all. */
  readonly key: string | undefined
  readonly views = new Set<OpenView>()
  /** Number of those that use it or wait for it. */
  users = 0
  /** Commits up to this revision are in its contents. */
  revision = 0
  /** Whether its bucket has been dropped. */
  isDropped = false
  /** Commits that would have changed it since its contents are not known. */
  missed = 0
  /** Whether its contents are being read anew. */
  isRepairing = false
  #contents: RowSet | Tally
  #error: unknown
  #state: 'same' | 'changed' | 'reset' | 'failed' = 'same'
  readonly #held: HeldPart

  /** @throws FilterError */
  constructor (bucket: Bucket, config: SourceConfig, key: string | undefined, held: HeldPart) {
    this.config = config
    this.key = key
    this.#held = held
    this.#contents = contentsOf(bucket, config)
  }

  get contents (): RowSet | Tally {
    return this.#contents
  }

  /** How the index of the bucket finds it. */
  get filter (): CompiledFilter | undefined {
    return this.#contents.filter
  }

  /** Estimated bytes, without those of its views. */
  get bytes (): number {
    return this.#contents.bytes + 4 * (this.key?.length ?? 0)
  }

  /** Why its contents are not known; `undefined` while they are. */
  get error (): unknown {
    return this.#error
  }

  /** Follows a change; where it cannot, its contents are not known any more. */
  * change (change: RecordChange): Generator<undefined, void> {
    try {
      yield * this.#contents.change(change)
      if (this.#state === 'same') this.#state = 'changed'
    } catch (error) {
      this.fail(error)
    }
  }

  /** Follows that the bucket has lost all records. */
  clear (): void {
    this.#contents.clear()
    this.#error = undefined
    this.#state = 'reset'
  }

  /** Takes other contents, of a revision; its views go over to these. */
  replace (contents: RowSet | Tally, revision: number): void {
    this.#contents = contents
    this.revision = revision
    this.#error = undefined
    this.missed = 0
    this.#state = 'reset'
    for (const view of this.views) view.attach()
  }

  fail (error: unknown): void {
    this.#error = error
    this.#state = 'failed'
  }

  /** Ends a commit: returns what its views are to be told, if anything. */
  settle (): 'same' | 'changed' | 'reset' | 'failed' {
    const state = this.#state
    this.#state = 'same'
    // All its views may have been closed since the commit was begun.
    if (this.users > 0) this.#held.set(this.bytes)
    if (state === 'changed' && this.#contents instanceof Tally && !this.#contents.takeChanged()) return 'same'
    return state
  }

  /** Ends the count of its bytes. */
  discount (): void {
    this.#held.set(0)
  }
}

/**
 * Begins the contents of a source, empty.
 * @throws FilterError
 */
export function contentsOf (bucket: Bucket, { filters, sort, aggregate }: SourceConfig): RowSet | Tally {
  const filter = filters.length === 0 ? undefined : compileFilter({ $and: filters }, bucket.schema)
  const isAll = filter === undefined || filter.conditions.length + filter.choices.length === 0
  const wanted = isAll ? undefined : filter
  return aggregate === undefined ? new RowSet(bucket, wanted, sort) : new Tally(bucket, wanted, aggregate)
}

/** Tells the views of a source what `settle` has returned. */
export function tell (
  view: OpenView, state: ReturnType<ViewSource['settle']>, revision: number, error: unknown
): void {
  switch (state) {
    case 'changed': view.tellChange(revision); break
    case 'reset': view.tellReset(revision); break
    case 'failed': view.tellFailure(error); break
    case 'same':
  }
}
