import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import type { ClearChange, Commit, DefinitionChange, RecordChange } from '../types/commit.js'
import { callSafely } from '../util/call-safely.js'
import { BucketViews } from './bucket-views.js'
import { CommitLane } from './commit-lane.js'
import { refill } from './refill.js'
import { tell, type ViewSource } from './view-source.js'

/** Steps of a commit, and what it has touched so far. */
interface Progress {
  readonly revision: number
  readonly touched: Set<ViewSource>
  readonly dropped: ViewSource[]
}

type Steps = Generator<Promise<void> | undefined, void>

/** Keeps sources up to date with the durable commits of a store, and tells their views. */
export class Follower {
  readonly #engine: Engine
  readonly #lane: CommitLane
  readonly #buckets = new Map<string, BucketViews>()
  readonly #listeners = new Set<(revision: number) => void>()
  /** Hears of a source whose contents are not known, when a commit would change them. */
  readonly #onMissed: (source: ViewSource) => void
  #revision: number
  /** Some sources are at this revision already: nothing may be read before. */
  #heldUntil = 0
  /** Sources that are to tell their views of a reset once all are at one revision. */
  readonly #resets = new Set<ViewSource>()

  constructor (engine: Engine, onMissed: (source: ViewSource) => void) {
    this.#engine = engine
    this.#onMissed = onMissed
    this.#revision = engine.revision
    this.#lane = new CommitLane(engine, commit => this.#putIn(commit))
  }

  get revision (): number {
    return this.#revision
  }

  get isBusy (): boolean {
    return this.#lane.isBusy || this.#isHeld
  }

  onRevision (listener: (revision: number) => void): () => void {
    const own = (revision: number): void => { listener(revision) }
    this.#listeners.add(own)
    return () => { this.#listeners.delete(own) }
  }

  /** Takes a durable commit. */
  follow (commit: Commit): void {
    this.#lane.push(commit)
  }

  /** Begins anew at a revision that a log says the store is at. */
  startAt (revision: number): void {
    const changes: DefinitionChange[] = []
    for (const [bucket, views] of this.#buckets) {
      views.voidFills(Infinity)
      changes.push({ type: 'redefine', bucket, definition: undefined })
    }
    this.#heldUntil = 0
    this.#lane.push({ revision, time: 0, changes })
  }

  /** Wakes those who wait for a revision that was taken back, or for a store that has stopped. */
  wake (): void {
    this.#lane.wake()
  }

  /** Whether nothing is being put in, and all sources are at the same revision: this one or a later one. */
  isAt (revision: number): boolean {
    return this.#lane.isIdle && !this.#isHeld && this.#revision >= revision
  }

  /** Resolves when something has been put in. */
  async whenIdle (): Promise<void> {
    await this.#lane.whenIdle()
  }

  /** The sources over a bucket; made where there are none yet. */
  of (bucket: Bucket): BucketViews {
    let views = this.#buckets.get(bucket.name)
    if (views === undefined) {
      views = new BucketViews(bucket)
      this.#buckets.set(bucket.name, views)
    }
    return views
  }

  /** Follows a source that is at the present revision. */
  add (bucket: Bucket, source: ViewSource): void {
    source.revision = this.#revision
    this.of(bucket).index.add(source)
  }

  /** Gives a source contents of the present revision, and tells its views. */
  reset (source: ViewSource, contents: ViewSource['contents']): void {
    source.replace(contents, this.#revision)
    const state = source.settle()
    for (const view of [...source.views]) {
      if (source.views.has(view)) tell(view, state, this.#revision, undefined)
    }
  }

  remove (source: ViewSource): void {
    this.#buckets.get(source.config.bucket)?.index.remove(source)
    this.#resets.delete(source)
    this.clean(source.config.bucket)
  }

  /** Forgets a bucket over which there is nothing. */
  clean (bucket: string): void {
    if (this.#buckets.get(bucket)?.isEmpty === true) this.#buckets.delete(bucket)
  }

  /** All sources. */
  get sources (): ViewSource[] {
    return [...this.#buckets.values()].flatMap(({ index }) => [...index.items])
  }

  get #isHeld (): boolean {
    return this.#revision < this.#heldUntil
  }

  * #putIn (commit: Commit): Steps {
    const progress: Progress = { revision: commit.revision, touched: new Set(), dropped: [] }
    for (const change of commit.changes) {
      if (!('bucket' in change)) continue
      const views = this.#buckets.get(change.bucket)
      if (views === undefined) continue
      if ('key' in change) yield * this.#putInRecord(change, views, progress)
      else yield * this.#putInStructure(change, views, progress)
    }
    this.#revision = Math.max(commit.revision, this.#isHeld ? 0 : this.#revision)
    yield * this.#tell(progress)
  }

  * #putInRecord (change: RecordChange, views: BucketViews, { revision, touched }: Progress): Steps {
    views.note(change, revision)
    for (const source of views.index.find(change.before, change.after)) {
      if (source.revision >= revision) continue
      if (source.error === undefined) {
        // Texts may be long.
        if (source.filter?.searchesTexts === true) this.#engine.slicer.noteLong()
        yield * source.change(change)
        touched.add(source)
      } else {
        this.#onMissed(source)
      }
      yield
    }
  }

  * #putInStructure (
    change: ClearChange | DefinitionChange, views: BucketViews, { revision, touched, dropped }: Progress
  ): Steps {
    if (change.type === 'clear') {
      views.note('clear', revision)
      for (const source of views.index.items) {
        if (source.revision >= revision) continue
        source.clear()
        touched.add(source)
        yield
      }
      return
    }
    views.voidFills(revision)
    if (change.type === 'drop') {
      for (const source of views.index.items) {
        source.isDropped = true
        dropped.push(source)
      }
      return
    }
    if (views.index.size === 0) return
    yield refill(this.#engine, change.bucket, views).then(readAt => {
      if (readAt > revision) this.#heldUntil = Math.max(this.#heldUntil, readAt)
    })
    for (const source of views.index.items) touched.add(source)
  }

  /** Tells the views, and then all that listen, once all sources are at one revision. */
  * #tell ({ revision, touched, dropped }: Progress): Steps {
    for (const source of this.#resets) touched.add(source)
    this.#resets.clear()
    for (const source of touched) {
      if (source.revision > revision) {
        this.#resets.add(source)
        continue
      }
      const state = source.settle()
      if (state === 'same') continue
      for (const view of [...source.views]) {
        // A listener may have closed it.
        if (source.views.has(view)) tell(view, state, revision, source.error)
        yield
      }
    }
    for (const source of dropped) {
      for (const view of [...source.views]) {
        view.tellDrop()
        yield
      }
    }
    if (this.#isHeld) return
    for (const listener of [...this.#listeners]) {
      callSafely(() => { listener(revision) }, this.#engine.options.onListenerError)
    }
  }
}
