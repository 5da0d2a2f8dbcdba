import { scanLinesBackwards, textOf } from '@hamicek/noex-journal'
import type { SealedEntry } from '../chain/chain.js'
import type { TrailFiles } from './segments.js'
import type { FoundCommits, WantedCommits } from '../sink.js'
import { MAX_LINE_BYTES } from './trail-lines.js'
import { parseEntry } from './trail-reader.js'

/** Finds which commits entries of a trail name, from its end backwards and no further than needed. */
export function findCommits (
  files: TrailFiles, { epoch, revisions, told, since }: WantedCommits
): FoundCommits {
  const wanted = new Set(revisions)
  const found: number[] = []
  let oldest: SealedEntry | undefined
  let isOver = false
  for (const path of [files.current, ...files.listClosed().reverse()]) {
    scanLinesBackwards(path, MAX_LINE_BYTES, raw => {
      const entry = parseEntry(textOf(raw) ?? '')
      if (entry === undefined) return true
      const { revision } = entry
      oldest = entry
      if (entry.epoch === epoch && revision !== undefined) {
        found.push(revision)
        wanted.delete(revision)
        isOver = wanted.size === 0 || revision <= told
      }
      isOver ||= entry.timestamp < since
      return !isOver
    })
    if (isOver) break
  }
  const isCut = !isOver && oldest !== undefined && oldest.seq > 1
  return { revisions: found, ...(isCut && { removedUntil: (oldest as SealedEntry).timestamp }) }
}
