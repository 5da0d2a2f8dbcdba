import { isDeepStrictEqual } from 'node:util'
import type { Store, TouchedRow, View } from '../../src/index.js'
import type { ViewPlan } from './arbitraries.js'
import { FollowingList } from './following-list.js'

/** A view with all that is known of what it has told. */
export class WatchedView {
  readonly view: View
  readonly faults: string[] = []
  isDropped = false
  readonly #store: Store
  readonly #plan: ViewPlan
  readonly #mirror: FollowingList | undefined
  #isToldOfAggregate = false
  #last: unknown
  #revision = -1

  private constructor (store: Store, plan: ViewPlan, view: View) {
    this.#store = store
    this.#plan = plan
    this.view = view
    if (view.keyField !== undefined) this.#mirror = new FollowingList(view, view.keyField)
    this.#last = view.result()
    view.listener = {
      onChange: (revision, touches) => { this.#noting(() => { this.#onChange(revision, touches) }) },
      onReset: revision => {
        this.#noting(() => {
          this.#isToldOfAggregate = true
          this.#at(revision)
          this.#mirror?.reset()
        })
      },
      onFailure: error => { this.faults.push(`failed: ${String(error)}`) },
      onDrop: () => { this.isDropped = true }
    }
  }

  static async open (store: Store, plan: ViewPlan): Promise<WatchedView> {
    const { scope, ...config } = plan
    const view = await store.views.open({ bucket: 'records', ...config }, scope && { scope })
    return new WatchedView(store, plan, view)
  }

  /** Compares the view, and what it has told, with a plain read. */
  async check (): Promise<void> {
    const expected = await readPlainly(this.#store, this.#plan)
    const result = this.view.result()
    if (!isDeepStrictEqual(plain(result), plain(expected))) {
      this.faults.push(`result ${show(result)} instead of ${show(expected)}`)
    }
    const { keyField } = this.view
    if (this.#mirror !== undefined && keyField !== undefined) this.#checkRows(this.#mirror, keyField)
    if (this.#mirror === undefined && !isDeepStrictEqual(plain(this.#last), plain(result))) {
      if (!this.#isToldOfAggregate) this.faults.push(`not told of ${show(result)}`)
    }
    this.#last = result
    this.#isToldOfAggregate = false
  }

  #checkRows ({ rows }: FollowingList, keyField: string): void {
    const result = this.view.result() as Array<Record<string, unknown>>
    if (rows.length !== result.length || rows.some((row, i) => row !== result[i])) {
      this.faults.push(`mirror ${show(rows)} instead of ${show(result)}`)
    }
    if (this.view.size !== result.length) this.faults.push(`size ${this.view.size} of ${result.length}`)
    for (const [i, row] of result.entries()) {
      if (this.view.indexOf(row[keyField]) !== i) this.faults.push(`indexOf is wrong at ${i}`)
      if (this.view.row(row[keyField]) !== row) this.faults.push(`row is wrong at ${i}`)
    }
  }

  #onChange (revision: number, touches: readonly TouchedRow[] | undefined): void {
    this.#at(revision)
    this.#isToldOfAggregate = true
    const hasKeys = this.view.keyField !== undefined
    if ((touches !== undefined) !== hasKeys) this.faults.push('touches without keys')
    if (touches === undefined) return
    if (touches.length === 0 && this.#plan.page === undefined) this.faults.push('told of nothing')
    this.#mirror?.apply(touches)
  }

  #at (revision: number): void {
    if (revision <= this.#revision) this.faults.push(`revision ${revision} after ${this.#revision}`)
    this.#revision = revision
  }

  #noting (doing: () => void): void {
    try {
      doing()
    } catch (error) {
      this.faults.push(String(error))
    }
  }
}

/** Reads what a view shows, by the reads of a bucket. */
async function readPlainly (store: Store, plan: ViewPlan): Promise<unknown> {
  const { scope, filter, sort, offset, limit, fields, aggregate } = plan
  const bucket = store.bucket('records', scope && { scope })
  if (aggregate !== undefined) {
    const { function: name, field = '', groupBy } = aggregate
    if (groupBy !== undefined) {
      return await bucket.groupBy(typeof groupBy === 'string' ? groupBy : [...groupBy], aggregate, filter)
    }
    return name === 'count' ? await bucket.count(filter) : await bucket[name](field, filter)
  }
  const records = await bucket.find({ filter, sort, offset, limit })
  if (fields === undefined) return records
  return records.map(record => Object.fromEntries(
    fields.filter(field => Object.hasOwn(record, field)).map(field => [field, record[field]])
  ))
}

/** Values as they are compared: −0 as 0, which no filter or sum tells apart. */
function plain (value: unknown): unknown {
  if (value === 0) return 0
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

function show (value: unknown): string {
  return JSON.stringify(value)
}
