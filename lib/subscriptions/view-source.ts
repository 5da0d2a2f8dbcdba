import type { ChangedKeys, TouchedRow, View, ViewConfig, ViewListener, Views } from '@hamicek/noex-store'
import { bucketNotDefined } from '../protocol/errors.js'
import { connectionEnded } from '../protocol/refusals.js'
import type { NoexStore } from '../store/noex-store.js'
import type { RowAccess } from '../store/row-scope.js'
import { unreadable } from '../store/shared-store.js'
import type { Work } from '../store/work.js'
import type { NetChange, NetChanges } from './change-history.js'
import type { LiveSource, PageEnds, SourceListener } from './live-source.js'

/** Changes of a bucket that are looked at, also where a list is shorter, to tell what has changed in it. */
const MIN_CHANGES = 1_000

/** The parts that the sources of views work with. */
export interface ViewSourceEnvironment {
  readonly views: Views
  readonly changedKeys: Pick<ChangedKeys, 'since'>
  /** Waits until the views have all commits of the present; `undefined` where they have. */
  readonly settled: () => Promise<void> | undefined
  /** Called once per view that is opened; the returned function when it is open, with the rows of a list. */
  readonly beginEvaluation: () => (rows?: number) => void
  /** Returns the count of one evaluation. */
  readonly work: () => Work
}

/** The result of a query that is given as data: the store changes it with each commit that concerns it. */
export class ViewSource implements LiveSource, ViewListener {
  readonly text = undefined
  readonly #config: ViewConfig
  readonly #rows: (bucket: string) => RowAccess
  readonly #listener: SourceListener
  readonly #environment: ViewSourceEnvironment
  #view: View | undefined
  #opening: Promise<void> | undefined
  #isFailing = false
  #isClosed = false

  constructor (
    config: ViewConfig, rows: (bucket: string) => RowAccess, listener: SourceListener,
    environment: ViewSourceEnvironment
  ) {
    this.#config = config
    this.#rows = rows
    this.#listener = listener
    this.#environment = environment
  }

  get keyField (): string | undefined {
    return this.#view?.keyField
  }

  get bucket (): string | undefined {
    return this.keyField === undefined ? undefined : this.#config.bucket
  }

  get revision (): number {
    return this.#environment.views.revision
  }

  get isBehind (): boolean {
    return false
  }

  get isPending (): boolean {
    return this.#opening !== undefined
  }

  get bytes (): number {
    return this.#view?.bytes ?? 0
  }

  get page (): PageEnds | undefined {
    const view = this.#view
    if (view === undefined || this.#config.page === undefined) return undefined
    return { hasMore: view.hasMore, nextCursor: view.nextCursor }
  }

  get size (): number {
    return this.#view?.size ?? 0
  }

  async fresh (): Promise<void> {
    if (this.#view === undefined) {
      await (this.#opening ??= this.#open())
    } else {
      const settled = this.#environment.settled()
      if (settled !== undefined) await settled
    }
  }

  async #open (): Promise<void> {
    const { bucket } = this.#config
    const { views, work, beginEvaluation } = this.#environment
    const endEvaluation = beginEvaluation()
    try {
      const access = this.#rows(bucket)
      if (access === false) throw unreadable()
      const view = await views.open(
        this.#config, { ...(access !== true && { scope: access }), work: work() }
      )
      if (this.#isClosed) {
        view.close()
        throw connectionEnded()
      }
      view.listener = this
      this.#view = view
      this.#isFailing = false
      endEvaluation(view.keyField === undefined ? undefined : view.size)
    } catch (error) {
      endEvaluation()
      this.#isFailing = true
      throw error
    } finally {
      this.#opening = undefined
    }
  }

  result (): unknown {
    return this.#view?.result()
  }

  indexOf (key: unknown): number {
    return this.#view?.indexOf(key) ?? -1
  }

  row (key: unknown): object | undefined {
    return this.#view?.row(key)
  }

  touchesSince (revision: number): NetChanges | undefined {
    const view = this.#view
    const { bucket, sort, limit, offset = 0, page } = this.#config
    // A window changes by what comes into it from its ends, too.
    const isWindow = limit !== undefined || offset > 0 || page !== undefined
    if (view?.keyField === undefined || isWindow) return undefined
    // Beyond that the complete result is shorter, and made in slices.
    const most = Math.max(MIN_CHANGES, view.size)
    const keys = this.#environment.changedKeys.since(bucket, revision, most)
    if (keys === undefined) return undefined
    const touches = new Map<unknown, NetChange>()
    for (const [key, { before, isReplaced }] of keys) {
      const wasIn = before !== undefined && view.matches(before)
      // Most changes of a bucket concern other lists; they must not make this one look changed as a whole.
      if (!wasIn && view.indexOf(key) === -1) continue
      touches.set(key, { wasIn, hasMoved: isReplaced || sort !== undefined })
    }
    return touches
  }

  /** Does nothing: the store changes the view at hardly any cost. */
  follow (): void {}

  retry (): void {
    if (!this.#isFailing || this.#isClosed) return
    this.fresh().then(() => { this.#listener.onChange(this.revision, undefined) }, (error: unknown) => {
      this.#listener.onFailure(error)
    })
  }

  close (): void {
    this.#isClosed = true
    this.#view?.close()
    this.#view = undefined
  }

  onChange (revision: number, touches: readonly TouchedRow[] | undefined): void {
    this.#listener.onChange(revision, touches)
  }

  onReset (revision: number): void {
    this.#listener.onChange(revision, undefined)
  }

  onFailure (error: unknown): void {
    this.#listener.onFailure(error)
  }

  onDrop (): void {
    this.#listener.onEnd('bucket_dropped', bucketNotDefined(this.#config.bucket))
  }
}

/** Waits until the views of a store have all commits of the present; `undefined` where they have. */
export function settled (store: Pick<NoexStore, 'beginRead' | 'views'>): Promise<void> | undefined {
  const { views } = store
  // One that is taken back is not shown: what was there before it is.
  const durable = store.beginRead()()?.catch(() => {})
  if (durable === undefined && !views.isBusy) return undefined
  return (async () => {
    await durable
    while (views.isBusy) await nextRevision(views)
  })()
}

async function nextRevision (views: Views): Promise<void> {
  await new Promise<void>(resolve => {
    const stop = views.onRevision(() => {
      stop()
      resolve()
    })
  })
}
