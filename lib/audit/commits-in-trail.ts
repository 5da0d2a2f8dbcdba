import { scanLinesBackwards, textOf } from '@hamicek/noex-journal'
import type { TrailFiles } from './segments.js'
import type { WantedCommits } from './sink.js'
import { MAX_LINE_BYTES } from './trail-lines.js'
import { parseEntry } from './trail-reader.js'

/** Finds which commits entries of a trail name, from its end backwards and no further than needed. */
export function findCommits (files: TrailFiles, { epoch, revisions, told, since }: WantedCommits): number[] {
  const wanted = new Set(revisions)
  const found: number[] = []
  let isOver = false
  for (const path of [files.current, ...files.listClosed().reverse()]) {
    scanLinesBackwards(path, MAX_LINE_BYTES, raw => {
      const entry = parseEntry(textOf(raw) ?? '')
      if (entry === undefined) return true
      const { revision } = entry
      if (entry.epoch === epoch && revision !== undefined) {
        if (wanted.delete(revision)) found.push(revision)
        isOver = wanted.size === 0 || revision <= told
      }
      isOver ||= entry.timestamp < since
      return !isOver
    })
    if (isOver) break
  }
  return found
}
