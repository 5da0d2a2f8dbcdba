import { textOf, type RawLine } from '@hamicek/noex-journal'
import { nameEntries, type EntryRange } from '../chain/chain.js'
import { parseNote } from './trail-notes.js'

/** The warnings about entries that record a possible loss. */
const warningTexts: ReadonlyMap<string, string> = new Map([
  ['audit.recovered', 'a start has cut off what a crash had left unfinished, and kept it in the .torn file'],
  ['audit.unsealed', 'a start has found entries and no checkpoint, and has signed them as they were'],
  ['audit.gap', 'entries were left out because the queue was full'],
  ['audit.renamed', 'a start has found the files of a trail of another name, and has gone on with them'],
  ['audit.lost', 'the file of entries before it was removed, replaced or cut while the trail was written']
])

interface Found {
  readonly firstSeq: number
  readonly range: EntryRange | undefined
  count: number
}

/** Collects the events that a trail records about itself, entry by entry. */
export class TrailWarnings {
  readonly #found = new Map<string, Found>()
  #prunedTo = 0
  #coveredTo = 0
  /** The first entries that a start found without any checkpoint: up to `to`, recorded by the entry `seq`. */
  unsigned: { readonly seq: number, readonly to: number } | undefined

  /** Adds a line; `seq` is the number of its entry. */
  add (raw: RawLine, seq: number): void {
    // Nearly no line is of the trail itself: the others are not parsed.
    if (raw.bytes?.includes('"operation":"audit.') !== true) return
    const note = parseNote(textOf(raw) ?? '')
    if (note === undefined) return
    const { operation, range } = note
    if (operation === 'audit.pruned' && range !== undefined) {
      this.#prunedTo = Math.max(this.#prunedTo, range.to)
    }
    if (operation === 'audit.unsealed' && range !== undefined) this.unsigned ??= { seq, to: range.to }
    if (!warningTexts.has(operation)) return
    const found = this.#found.get(operation)
    if (found === undefined) this.#found.set(operation, { firstSeq: seq, range, count: 1 })
    else found.count += 1
  }

  /** Records that a checkpoint covers all lines so far. */
  cover (): void {
    this.#coveredTo = this.#prunedTo
  }

  /**
   * Returns the last entry that `keep` has removed, as the trail records it; 0 when it does not. With
   * `signed`, a checkpoint must cover the record.
   */
  prunedTo (signed: boolean): number {
    return signed ? this.#coveredTo : this.#prunedTo
  }

  /** Returns one text for each kind of event. */
  texts (): string[] {
    return [...warningTexts].flatMap(([operation, warning]) => {
      const found = this.#found.get(operation)
      if (found === undefined) return []
      const { firstSeq, range, count } = found
      const about = range === undefined ? '' : ` (${nameEntries(range)})`
      return [`entry ${firstSeq}: ${warning}${about}${count > 1 ? ` (and ${count - 1} times more)` : ''}`]
    })
  }
}
