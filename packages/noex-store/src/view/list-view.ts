import type { StoreRecord } from '../types/record.js'
import type { View, ViewConfig, ViewListener } from '../types/view.js'
import { callSafely } from '../util/call-safely.js'
import { textOfCursor } from './cursor.js'
import type { Entry, Position } from './entry.js'
import type { HeldBytes, HeldPart } from './held-bytes.js'
import { Marks } from './marks.js'
import { Page } from './page.js'
import { Whole, Window, type Part } from './part.js'
import { Projection } from './projection.js'
import type { RowSet } from './row-set.js'
import type { OpenView, ViewSource } from './view-source.js'

/** Estimated bytes of a view without rows. */
const VIEW_BYTES = 1_000

/** More rows than there can be. */
const ALL = Number.MAX_SAFE_INTEGER

/** Parts of the views of a store that one of them uses. */
export interface ViewSurroundings {
  readonly held: HeldBytes
  /** Names the present numbering of the places of a bucket. */
  readonly numberingOf: (bucket: string) => string
  /** Hears what a listener throws. */
  readonly onFailure: (error: unknown) => void
  /** Ends the use of a source by a view. */
  readonly release: (source: ViewSource, view: OpenView) => void
}

/** A view of a list of rows. */
export class ListView implements View, OpenView {
  listener: ViewListener | undefined
  readonly keyField: string | undefined
  readonly #source: ViewSource
  readonly #config: ViewConfig
  readonly #after: Position | undefined
  readonly #surroundings: ViewSurroundings
  readonly #projection: Projection | undefined
  readonly #marks = new Marks()
  readonly #held: HeldPart
  #set: RowSet
  #part: Part
  #isClosed = false

  /** `after`: the position that a page begins behind. */
  constructor (
    source: ViewSource, config: ViewConfig, after: Position | undefined, surroundings: ViewSurroundings
  ) {
    this.#source = source
    this.#config = config
    this.#after = after
    this.#surroundings = surroundings
    const { fields = [] } = config
    if (fields.length > 0) this.#projection = new Projection(fields)
    this.#set = source.contents as RowSet
    this.keyField = this.#projection?.has(this.#set.keyField) === false ? undefined : this.#set.keyField
    this.#part = this.#begin()
    source.views.add(this)
    this.#held = surroundings.held.begin()
    this.#held.set(this.#ownBytes)
  }

  get bytes (): number {
    const [first] = this.#source.views
    return this.#ownBytes + (first === this ? this.#source.bytes : 0)
  }

  get size (): number {
    return this.#part.size
  }

  get hasMore (): boolean {
    return this.#part instanceof Page && this.#part.hasMore
  }

  get nextCursor (): string | null {
    const next = this.#part instanceof Page ? this.#part.next : undefined
    if (next === undefined) return null
    const numbering = this.#surroundings.numberingOf(this.#config.bucket)
    return textOfCursor({ ...next, numbering }, this.#config)
  }

  result (): object[] {
    return this.rows(0, this.size)
  }

  rows (start: number, end: number): object[] {
    this.#assertWhole()
    const { start: first, size } = this.#part
    return this.#set.list
      .slice(first + Math.max(0, start), first + Math.min(end, size))
      .map(({ record }) => this.#row(record))
  }

  indexOf (key: unknown): number {
    this.#assertWhole()
    const entry = this.#set.entry(key)
    return entry === undefined ? -1 : this.#indexOf(entry)
  }

  row (key: unknown): object | undefined {
    this.#assertWhole()
    const entry = this.#set.entry(key)
    return entry === undefined || this.#indexOf(entry) === -1 ? undefined : this.#row(entry.record)
  }

  matches (record: StoreRecord): boolean {
    const { filter } = this.#set
    return filter === undefined || filter.test(record)
  }

  close (): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.listener = undefined
    this.#held.set(0)
    this.#set.observers.delete(this.#part)
    this.#surroundings.release(this.#source, this)
  }

  attach (): void {
    this.#set = this.#source.contents as RowSet
    this.#marks.clear()
    this.#part = this.#begin(this.#part)
  }

  tellChange (revision: number): void {
    const isOtherPage = this.#part.settle()
    if (this.#marks.isEmpty && !isOtherPage) return
    if (this.#projection !== undefined) this.#held.set(this.#ownBytes)
    const touches = this.#marks.take(this.#set.keyField, this.#isSame)
    if (touches.length === 0 && !isOtherPage) return
    this.#tell(listener => { listener.onChange(revision, this.keyField === undefined ? undefined : touches) })
  }

  tellReset (revision: number): void {
    this.#part.settle()
    this.#marks.clear()
    this.#held.set(this.#ownBytes)
    this.#tell(listener => { listener.onReset(revision) })
  }

  tellFailure (error: unknown): void {
    this.#marks.clear()
    this.#tell(listener => { listener.onFailure(error) })
  }

  tellDrop (): void {
    const { listener } = this
    this.close()
    if (listener !== undefined) callSafely(() => { listener.onDrop() }, this.#surroundings.onFailure)
  }

  get #ownBytes (): number {
    return VIEW_BYTES + (this.#projection === undefined ? 0 : this.size * this.#projection.rowBytes)
  }

  #begin (former?: Part): Part {
    const part = this.#partOf(former)
    this.#set.observers.add(part)
    return part
  }

  /** Bounds of a page stay, so that the pages of a chain go on showing each row once. */
  #partOf (former: Part | undefined): Part {
    const { offset, limit, page } = this.#config
    const end = former instanceof Page ? former.end : undefined
    if (page !== undefined) return new Page(this.#set, this.#marks, page.limit, this.#after, end)
    if (offset === undefined && limit === undefined) return new Whole(this.#set, this.#marks)
    return new Window(this.#set, this.#marks, countOf(offset ?? 0), countOf(limit ?? ALL))
  }

  #indexOf (entry: Entry): number {
    const index = this.#set.list.indexOf(entry) - this.#part.start
    return index < this.#part.size ? Math.max(index, -1) : -1
  }

  #row (record: StoreRecord): object {
    return this.#projection === undefined ? record : this.#projection.row(record)
  }

  readonly #isSame = (before: StoreRecord, after: StoreRecord): boolean =>
    before === after || this.#projection?.isSame(before, after) === true

  #assertWhole (): void {
    if (this.#source.error !== undefined) throw this.#source.error
  }

  #tell (call: (listener: ViewListener) => void): void {
    const { listener } = this
    if (listener !== undefined) callSafely(() => { call(listener) }, this.#surroundings.onFailure)
  }
}

function countOf (value: number): number {
  return Math.min(ALL, Math.floor(value))
}
