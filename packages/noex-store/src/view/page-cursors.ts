import { randomUUID } from 'node:crypto'
import type { Engine } from '../commit/engine.js'
import { FilterError } from '../errors.js'
import { select, visibility } from '../query/visit.js'
import type { WhereFilter } from '../types/filter.js'
import { readCursor, type CursorList } from './cursor.js'
import type { Position } from './entry.js'

/**
 * Finds the positions of cursors: by their places, as long as the places of their bucket are numbered as they
 * were, else by the keys of their records.
 */
export class PageCursors {
  readonly #engine: Engine
  /** Names of the numberings of places, by bucket. */
  readonly #numberings = new Map<string, string>()

  constructor (engine: Engine) {
    this.#engine = engine
  }

  /** The name of the present numbering of a bucket: another one in each process. */
  numberingOf (bucket: string): string {
    let numbering = this.#numberings.get(bucket)
    if (numbering === undefined) {
      numbering = randomUUID().slice(0, 13)
      this.#numberings.set(bucket, numbering)
    }
    return numbering
  }

  /** Notes that the records of a bucket have other places. */
  renumber (bucket: string): void {
    this.#numberings.delete(bucket)
  }

  renumberAll (): void {
    this.#numberings.clear()
  }

  /** @throws FilterError for a cursor that is none, or of an unsorted list whose record is forgotten */
  positionOf (list: CursorList, after: string, scope: WhereFilter | undefined): Position {
    const { bucket } = list
    const { values, place, key, numbering } = readCursor(after, list)
    if (numbering === this.numberingOf(bucket)) return { values, place }
    const known = this.#placeOf(bucket, key, scope)
    if (known !== undefined) return { values, place: known }
    if (values.length > 0) return { values, place: -1 }
    throw new FilterError('page.after names a record that is not known any more: begin with the first page')
  }

  /**
   * The place of a record, of a deleted one too. Where a scope holds, it must be there and in it: else a
   * cursor would tell of records that do not exist for the reader.
   */
  #placeOf (name: string, key: unknown, scope: WhereFilter | undefined): number | undefined {
    const bucket = this.#engine.bucket(name)
    const row = bucket.contents.rows.get(key)
    if (scope === undefined) return row?.place ?? bucket.deleted.get(key)?.place
    if (row?.record === undefined || !visibility(bucket)(row.record)) return undefined
    return select(bucket, scope).filter?.test(row.record) === false ? undefined : row.place
  }
}
