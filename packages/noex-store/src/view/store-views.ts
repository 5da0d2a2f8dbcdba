import type { Engine } from '../commit/engine.js'
import { whenPurged } from '../commit/expiry.js'
import { StoreStoppedError } from '../errors.js'
import { meterOf } from '../query/work.js'
import type { WorkMeter } from '../types/access.js'
import type { WhereFilter } from '../types/filter.js'
import type { View, ViewConfig, ViewOptions, Views } from '../types/view.js'
import { AggregateView } from './aggregate-view.js'
import type { Fill } from './bucket-views.js'
import { fillContents } from './fill-source.js'
import { Follower } from './follower.js'
import { HeldBytes } from './held-bytes.js'
import { ListView, type ViewSurroundings } from './list-view.js'
import { isDurable } from './refill.js'
import { PageCursors } from './page-cursors.js'
import type { RowSet } from './row-set.js'
import type { Tally } from './tally.js'
import { frozenCopy, keyOfSource, readConfig, sourceOf, type SourceConfig } from './view-config.js'
import { contentsOf, ViewSource } from './view-source.js'

/** Changes that are taken over between two looks at the clock. */
const STEP = 32

/** A source that several views share, and when it is there. */
interface Shared {
  readonly source: ViewSource
  readonly ready: Promise<void>
}

/** The views of a store. */
export class StoreViews implements Views {
  readonly #engine: Engine
  readonly #follower: Follower
  readonly #held = new HeldBytes()
  readonly #shared = new Map<string, Shared>()
  readonly #surroundings: ViewSurroundings
  readonly #cursors: PageCursors
  #size = 0
  #isClosed = false

  constructor (engine: Engine) {
    this.#engine = engine
    this.#cursors = new PageCursors(engine)
    this.#follower = new Follower(engine, source => { this.#repairLater(source) })
    this.#surroundings = {
      held: this.#held,
      numberingOf: bucket => this.#cursors.numberingOf(bucket),
      onFailure: engine.options.onListenerError,
      release: (source, view) => {
        source.views.delete(view)
        this.#size--
        this.#release(source)
      }
    }
    engine.durableCommits.listen(commit => { this.#follower.follow(commit) })
    engine.onApplied(({ undone, changes }) => {
      for (const change of changes) {
        const hasOtherPlaces = change.type === 'drop' || (change.type === 'redefine' && change.records)
        if (hasOtherPlaces) this.#cursors.renumber(change.bucket)
      }
      if (undone === true) this.#follower.wake()
    })
    engine.onStart(revision => {
      this.#cursors.renumberAll()
      this.#follower.startAt(revision)
    })
  }

  get revision (): number {
    return this.#follower.revision
  }

  get isBusy (): boolean {
    return this.#follower.isBusy
  }

  get size (): number {
    return this.#size
  }

  get bytes (): number {
    return this.#held.total
  }

  onRevision (listener: (revision: number) => void): () => void {
    return this.#follower.onRevision(listener)
  }

  async open (given: ViewConfig, { scope, work }: ViewOptions = {}): Promise<View> {
    const config = readConfig(given)
    const confined = frozenCopy(scope)
    const sourceConfig = sourceOf(config, confined)
    const { revision } = this.#engine
    for (;;) {
      const source = await this.#acquire(sourceConfig, work)
      try {
        while (!this.#follower.isAt(Math.min(revision, this.#engine.revision))) await this.#whenIdle()
        if (source.isDropped) {
          // Others may have it still: this one must not find it again.
          this.#unshare(source)
          continue
        }
        if (source.error !== undefined) throw source.error
        const view = this.#view(source, config, confined)
        source.users++
        this.#size++
        return view
      } finally {
        this.#release(source)
      }
    }
  }

  /** Ends all views of a store that has stopped. */
  close (): void {
    this.#isClosed = true
    for (const { views } of this.#follower.sources) for (const view of [...views]) view.tellDrop()
    this.#follower.wake()
  }

  #view (source: ViewSource, config: ViewConfig, scope: WhereFilter | undefined): View {
    if (config.aggregate !== undefined) return new AggregateView(source, this.#surroundings)
    const after = config.page?.after
    const position = after === undefined ? undefined : this.#cursors.positionOf(config, after, scope)
    return new ListView(source, config, position, this.#surroundings)
  }

  /** Returns a source that is followed, for one more user. */
  async #acquire (config: SourceConfig, work: WorkMeter | undefined): Promise<ViewSource> {
    const key = keyOfSource(config)
    for (;;) {
      const known = key === undefined ? undefined : this.#shared.get(key)
      if (known === undefined) break
      known.source.users++
      try {
        await known.ready
        return known.source
      } catch {
        // Another one's failure, of its own budget maybe: this one reads for itself.
        known.source.users--
      }
    }
    const source = new ViewSource(this.#engine.bucket(config.bucket), config, key, this.#held.begin())
    source.users++
    const ready = this.#fill(config, meterOf(this.#engine, config.bucket, work), contents => {
      source.replace(contents, this.#follower.revision)
      source.settle()
      this.#follower.add(this.#engine.bucket(config.bucket), source)
    })
    const shared = { source, ready }
    if (key !== undefined) this.#shared.set(key, shared)
    try {
      await ready
      return source
    } catch (error) {
      if (key !== undefined && this.#shared.get(key) === shared) this.#shared.delete(key)
      throw error
    }
  }

  #release (source: ViewSource): void {
    if (--source.users > 0) return
    this.#follower.remove(source)
    source.discount()
    this.#unshare(source)
  }

  /** Removes a source from those that further views share. */
  #unshare (source: ViewSource): void {
    const { key } = source
    if (key !== undefined && this.#shared.get(key)?.source === source) this.#shared.delete(key)
  }

  /**
   * Reads contents that are at the present revision of all views in the step in which `join` is called.
   * @throws as a read of the bucket, StoreStoppedError
   */
  async #fill (
    config: SourceConfig, meter: WorkMeter, join: (contents: RowSet | Tally) => void
  ): Promise<void> {
    const engine = this.#engine
    for (;;) {
      await whenPurged(engine, config.bucket)
      const bucket = engine.bucket(config.bucket)
      const contents = contentsOf(bucket, config)
      const fill: Fill = { revision: engine.revision, notes: [], isVoid: false }
      const { takenBack } = engine
      const views = this.#follower.of(bucket)
      views.fills.add(fill)
      try {
        const durable = isDurable(engine)
        await fillContents(engine, bucket, contents, meter)
        if (!await durable || engine.takenBack !== takenBack) continue
        // Again, where something has come before this step.
        while (!this.#isCurrent(fill)) await this.#catchUp(fill, contents)
        if (fill.isVoid) continue
        join(contents)
        return
      } finally {
        views.fills.delete(fill)
        this.#follower.clean(config.bucket)
      }
    }
  }

  /** Puts in what has come since contents were read, until they are at the revision of all views. */
  async #catchUp (fill: Fill, contents: RowSet | Tally): Promise<void> {
    const { slicer } = this.#engine
    while (!this.#isCurrent(fill)) {
      const notes = fill.notes.splice(0)
      for (const [i, note] of notes.entries()) {
        if (note === 'clear') {
          contents.clear()
        } else {
          const steps = contents.change(note)
          while (steps.next().done !== true);
        }
        const isLook = contents.filter?.searchesTexts === true || i % STEP === 0
        if (isLook && slicer.isSpent) await slicer.nextTurn()
      }
      if (notes.length === 0) await this.#whenIdle()
    }
  }

  /** Whether contents with nothing left to put in are at the revision of all views, or worth nothing. */
  #isCurrent ({ isVoid, notes, revision }: Fill): boolean {
    return isVoid || (notes.length === 0 && this.#follower.isAt(revision))
  }

  async #whenIdle (): Promise<void> {
    if (this.#isClosed) throw new StoreStoppedError(this.#engine.options.name)
    await this.#follower.whenIdle()
    if (this.#isClosed) throw new StoreStoppedError(this.#engine.options.name)
  }

  /** Reads a source anew whose contents are not known, at its first missed commit, its second, fourth … */
  #repairLater (source: ViewSource): void {
    source.missed++
    if (source.isRepairing || !Number.isInteger(Math.log2(source.missed))) return
    source.isRepairing = true
    this.#engine.background.add(this.#repair(source).finally(() => { source.isRepairing = false }))
  }

  async #repair (source: ViewSource): Promise<void> {
    const { config } = source
    try {
      await this.#fill(config, meterOf(this.#engine, config.bucket), contents => {
        if (source.users > 0) this.#follower.reset(source, contents)
      })
    } catch (error) {
      source.fail(error)
    }
  }
}
